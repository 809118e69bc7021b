"""The text of a draft: a TOML file whose keys have comments on what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from preprocessing.draft.columns import shown
from preprocessing.draft.feature_list import feature_list
from preprocessing.draft.proposals import Proposal
from preprocessing.draft.standard import excluded, repeat_share
from preprocessing.draft.tables import Found, title_in
from preprocessing.draft.toml_text import comment, feature_lines, joined, line
from preprocessing.log_layout import Columns


@dataclass(frozen=True)
class Parts:
    """The parts of a draft; `given` are the keys of `[log]` that the command line stated."""

    name: str
    found: Found
    given: Mapping[str, Any]
    columns: Columns
    proposals: list[Proposal]
    left: dict[str, str]
    repeats: float


def parts_of(name: str, found: Found, given: Mapping[str, Any], titled: str | None) -> Parts:
    """Compose the parts of a draft; a role without a matching column gets its own name as column."""
    roles = {role: each.column for role, each in found.roles.items()}
    if not {"user", "session"} & set(roles):
        roles["user"] = "user"
    item = found.of_role("item")
    side = found.sides.get("item")
    title = titled or (title_in(side.looked.seen, side.key) if side else None)
    columns = Columns.model_validate({"item": "item", "time": "time", **roles, **({"title": title} if title else {})})
    repeats = repeat_share(found.of_role("user"), found.of_role("session"), item) if item else 0.0
    proposals, left = feature_list(found, columns, repeats)
    return Parts(name, found, given, columns, proposals, left, repeats)


def text_of(parts: Parts, split: Mapping[str, Any], split_words: str, doubts: list[str]) -> str:
    """Write the draft."""
    notes = [each for text in doubts for each in comment(text)]
    excluding = excluded(parts.columns, parts.repeats)
    names = [line("name", parts.name), *([line("exclude", excluding, _why_excluded(parts))] if excluding else [])]
    splitting = [*comment(split_words), "[split]", *(line(key, value) for key, value in split.items())]
    left = [each for name, why in parts.left.items() for each in comment(f"{name or shown(name)}: {why}")]
    return joined(
        [
            _head(parts),
            notes,
            names,
            list(_log(parts)),
            list(_columns(parts)),
            splitting,
            *(feature_lines(proposal) for proposal in parts.proposals),
            ["# Columns that are not features:", *left] if left else [],
        ]
    )


def _head(parts: Parts) -> list[str]:
    found = parts.found
    rows = f"{len(found.log.table):,} rows"
    rows = f"its first {rows}" if found.log.more else rows
    return comment(
        f"Drafted from {found.log.file.name} ({rows}): everything here is a guess for you to check. "
        "'choose' marks what only you know. docs/schema.md explains every key."
    )


def _why_excluded(parts: Parts) -> str:
    return "no user takes an item twice" if parts.columns.user and parts.repeats == 0 else ""


def _log(parts: Parts) -> Iterator[str]:
    """Return the lines of `[log]`."""
    found = parts.found
    yield "[log]"
    for key, value in parts.given.items():
        if key not in ("users", "items", "users_key", "items_key"):
            yield line(key, value)
    for key, why in found.guessed.items():
        yield line(key, getattr(found.layout, key), why)
    for key, value in found.clock.keys.items():
        if key not in parts.given:
            yield line(key, value, found.clock.words)
    if found.clock.choices:
        yield from comment(f"choose: {found.clock.words}; take one of")
        yield from (f"# {line('time_format', each)}" for each in found.clock.choices)
    yield from _null_values(found)
    for side, table in found.sides.items():
        words = f"it has {table.matched:,} of the {table.of:,} {side}s seen; in the log's folder, or --{side}s FILE"
        yield line(f"{side}s", table.looked.file.name, words)
        ids = found.of_role(side)
        if not table.matched and ids is not None:
            theirs = table.looked.seen.get(table.key)
            such = shown(theirs.values[0]) if theirs and theirs.values else "nothing"
            yield from comment(f"choose: none of them; its {table.key!r} holds {such}, the log {shown(ids.values[0])}")
        if ids is None or table.key != ids.name:
            yield line(f"{side}s_key", table.key)


def _null_values(found: Found) -> Iterator[str]:
    """Return texts that may mean null, as a comment, because they may also be values."""
    tables = [found.log, *(side.looked for side in found.sides.values())]
    seen = {
        (text, column.name): rows
        for table in tables
        for column in table.seen.values()
        for text, rows in column.null_like.items()
    }
    if seen:
        where = ", ".join(f"{shown(text)} {rows:,} times in {column!r}" for (text, column), rows in seen.items())
        yield from comment(f"choose: do these mean null? {where}")
        yield f"# {line('null_values', list(dict.fromkeys(text for text, _ in seen)))}"


def _columns(parts: Parts) -> Iterator[str]:
    """Return the lines of `[log.columns]`."""
    found = parts.found
    yield "[log.columns]"
    for role, column in parts.columns.model_dump(exclude_none=True).items():
        guess, seen = found.roles.get(role), found.log.seen.get(column)
        if guess is None and role != "title":
            columns = ", ".join(map(shown, found.log.seen))
            yield from comment(f"choose: no column looks like the {role}; the columns are {columns}")
        elif guess is not None and not guess.sure:
            others = f", or {', '.join(map(shown, guess.others[:8]))}" if guess.others else ""
            yield from comment(f"choose: no column is named like the {role}; this one is a guess{others}")
        elif guess is not None and guess.others:
            yield from comment(f"choose: or {', '.join(map(shown, guess.others[:8]))}")
        words = seen.words() if seen and role != "time" else found.clock.words if role == "time" else ""
        yield line(role, column, words)
        if seen and role in ("user", "item", "session", "time") and seen.nulls:
            yield from comment(f"{seen.nulls:.1%} of the rows have no {role}: filter them out of the log")
