"""`preprocessing schema`: a draft of a schema, tried out on the inspected rows."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from preprocessing.changes import Changes
from preprocessing.declared import Schema, parse_schema
from preprocessing.draft.compose import Parts, parts_of, text_of
from preprocessing.draft.proposals import side_of
from preprocessing.draft.tables import Found, find, title_in
from preprocessing.items import number_items
from preprocessing.learnable import require_learnable
from preprocessing.log.canonical import RawLog, raw_log
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source
from preprocessing.log_layout import Log
from preprocessing.schema_errors import SchemaError, first_error
from preprocessing.split import DAYS_TRIED, SHARES_TRIED, split_of_sessions
from stage.errors import BadInput

TRAINING = 0.5


def draft(source: Source, changes: Changes, name: str) -> str:
    """Return a schema for the log as the text of a TOML file; `changes` are the settings of the command line.

    Raises:
        LogError: The log or one of its tables cannot be read at all.

    """
    if source.log is None or "://" in str(source.log):
        raise LogError(f"--from {source.log}: is not a file or folder: write some rows of the table to a file")
    given = Changes(changes.columns).of({}).get("log", {}).get("columns", {})
    found = find(source, _layout(changes.log), given)
    parts = parts_of(name, found, changes.log, given.get("title") or _title_of_log(found))
    split, words, doubts = _tried(parts)
    return text_of(parts, split, words, doubts)


def _layout(keys: Mapping[str, Any]) -> Log:
    body = {"columns": {"item": "item", "time": "time"}, **keys}
    try:
        return Log.model_validate(body)
    except ValidationError as error:
        raise SchemaError(f"log.{first_error(error, body)}") from None


def _title_of_log(found: Found) -> str | None:
    """Return the column of the log with the names of its items, if there is no item table."""
    item = found.of_role("item")
    if item is None or "item" in found.sides:
        return None
    roles = {role.column for role in found.roles.values()}
    left = {name: seen for name, seen in found.log.seen.items() if name not in roles}
    title = title_in(left, item.name)
    return title if title and side_of(left[title], None, item) == "item" else None


def _tried(parts: Parts) -> tuple[dict[str, Any], str, list[str]]:
    """Return the split that works on the inspected rows, in keys and in words, and what a fit would refuse."""
    fallback = {"kind": "time", "validation_days": 14, "test_days": 14}
    clock = parts.found.clock
    if clock.is_order:
        fallback = {"kind": "leave_one_out" if parts.columns.user else "sessions"}
    text = text_of(parts, {"kind": "random"}, "", [])
    body = tomllib.loads(text)
    if clock.choices:
        body["log"]["time_format"] = clock.choices[0]
    try:
        schema = parse_schema(body, parts.name)
        log = _raw_log(schema, parts.found)
        split, words, chosen = _split(schema, log)
        require_learnable(schema, log, chosen, number_items(schema, log, chosen))
    except BadInput as error:
        return fallback, "not tried out, see above", [f"choose: preprocessing fit would refuse this schema: {error}"]
    return split, words, []


def _raw_log(schema: Schema, found: Found) -> RawLog:
    users, items = (found.sides[side].looked.table if side in found.sides else None for side in ("user", "item"))
    return raw_log(schema, found.log.table, users, items)


def _split(schema: Schema, log: RawLog) -> tuple[dict[str, Any], str, np.ndarray[Any, Any]]:
    """Return the first split with sessions in all three parts, preferably with at least half of them in training."""
    by_time = [{"kind": "time", "validation_days": days, "test_days": days} for days in DAYS_TRIED]
    by_sessions = [{"kind": "sessions", **shares} for shares in SHARES_TRIED]
    tried: list[dict[str, Any]] = [*by_time, {"kind": "leave_one_out"}, *by_sessions, {"kind": "random"}]
    works = []
    for keys in tried:
        try:
            chosen, _ = split_of_sessions(schema.with_split(**keys), log.sessions)
        except BadInput:
            continue
        shares = {part: float((chosen == part).mean()) for part in ("train", "validation", "test")}
        words = ", ".join(f"{share:.1%} {part}" for part, share in shares.items())
        works.append((keys, f"of the sessions seen: {words}", chosen, shares["train"]))
    if not works:
        raise LogError("no split of this log leaves sessions for train, validation and test: give a longer log")
    keys, words, chosen, _ = next((each for each in works if each[3] >= TRAINING), works[0])
    return keys, words, chosen


def write(text: str, output: Path, overwrite: bool) -> None:
    """Write a draft; without `overwrite`, refuse to replace a file, which may have been edited."""
    from stage.output import OutputError, make_folder_of

    if output.suffix != ".toml":
        raise OutputError(f"--output {output}: a schema is a .toml file, give a name that ends in .toml")
    if output.exists() and not overwrite:
        raise OutputError(f"--output {output}: exists already, give another name or --overwrite")
    make_folder_of(output)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}), give a file you may write to") from None
