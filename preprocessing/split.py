"""Splits of sessions into train, validation and test: by date, by each user's last ones, by order, or by a shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log.errors import LogError
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

SPLITS = ("train", "validation", "test")
DAYS_TRIED = (28, 14, 7, 3, 2, 1)
SHARES_TRIED: tuple[dict[str, float], ...] = ({}, {"validation_share": 0.2, "test_share": 0.2})
"""Shares of a split by sessions: the schema's own, and shares for a log of a dozen sessions."""


def split_of_sessions(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    """Return the split of every session, [S] str, and the boundaries by name (local times, or positions in an order).

    `time`: test = the last `test_days` local days of the log, validation = the `validation_days` before them.
    `leave_one_out`: a user's last session is the test, the one before it the validation (users with fewer than three
    sessions are only in training), as in the SASRec paper (Kang & McAuley 2018, section IV-A).
    `sessions`: in the order of first instants, the last `test_share` are the test, the `validation_share` before them
    the validation, each share rounded down. Sessions with equal instants stay together, in the later part: a column
    that does not order sessions, such as a position in each session, splits none.
    `random`: the first sessions of a shuffle are the test, the next the validation, each share rounded down.
    `given`: `sessions` has a column `split`, by file; without a file for the validation, it is the end of training.
    """
    split, boundaries = _split(schema, sessions)
    for name in SPLITS:
        if name not in split:
            raise LogError(f"no session falls in {name} ({_span(schema, sessions)}): {_remedy(schema, sessions)}")
    return split, boundaries


def _split(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    match schema.split.kind:
        case "time":
            return _by_time(schema, sessions["time"])
        case "leave_one_out":
            return _leave_one_out(sessions), {}
        case "sessions":
            return _by_sessions(schema, sessions)
        case "random":
            return _random(schema, len(sessions)), {}
        case "given":
            return _given(schema, sessions)


def _span(schema: Schema, sessions: pd.DataFrame) -> str:
    if schema.log.time_unit == "order":
        places = sessions["first"].nunique()
        return f"the log has {len(sessions):,} sessions, which begin at {places:,} different places of its order"
    first, last = sessions["time"].min(), sessions["time"].max()
    return f"the log spans {first:%Y-%m-%d} to {last:%Y-%m-%d}, {len(sessions):,} sessions"


def _remedy(schema: Schema, sessions: pd.DataFrame) -> str:
    """Return the splits that work on this log, by trying them."""
    found = []
    columns = schema.log.columns
    if schema.log.time_unit != "order":
        for days in DAYS_TRIED:
            if _works(schema.with_split("time", validation_days=days, test_days=days), sessions):
                found.append(f"--split time --validation-days {days} --test-days {days}")
                break
    if columns.user and _works(schema.with_split("leave_one_out"), sessions):
        found.append("--split leave_one_out")
    for shares in SHARES_TRIED:
        if _works(schema.with_split("sessions", **shares), sessions):
            flags = [f" --{name.replace('_', '-')} {share}" for name, share in shares.items()]
            found.append(f"--split sessions{''.join(flags)}")
            break
    if _works(schema.with_split("random"), sessions):
        found.append("--split random (it sees the future)")
    hint = ""
    if schema.log.time_unit == "order" and columns.session and sessions["first"].nunique() < len(sessions) / 2:
        hint = f"; if sessions are numbered in their order, --columns time={columns.session} --split sessions"
    if not found:
        return f"no split of this log has all three, give a longer log{hint}"
    return f"these work: {', or '.join(found)}{hint}"


def _works(schema: Schema, sessions: pd.DataFrame) -> bool:
    split, _ = _split(schema, sessions)
    return all(name in split for name in SPLITS)


def _by_time(schema: Schema, time: pd.Series[Any]) -> tuple[Column, dict[str, str]]:
    import pandas as pd

    day = pd.Timedelta(days=1)
    test = time.max().normalize() + day - schema.split.test_days * day
    validation = test - schema.split.validation_days * day
    split: Column = np.where(time < validation, "train", np.where(time < test, "validation", "test"))
    return split, {"validation": validation.isoformat(), "test": test.isoformat()}


def _leave_one_out(sessions: pd.DataFrame) -> Column:
    users = sessions.sort_values("first", kind="stable").groupby("user", sort=False)
    from_last = users.cumcount(ascending=False).reindex(sessions.index)
    enough = users["first"].transform("size").reindex(sessions.index) >= 3
    left_out = np.where(from_last == 1, "validation", np.where(from_last == 0, "test", "train"))
    split: Column = np.where(enough, left_out, "train")
    return split


def _by_sessions(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    begins = sessions["first"].to_numpy()
    in_order, count = np.sort(begins), len(begins)
    test = count - int(count * schema.split.test_share)
    validation = test - int(count * schema.split.validation_share)
    split: Column = np.full(count, "train", dtype="<U10")
    boundaries = {}
    for name, place in (("validation", validation), ("test", test)):
        if place < count:
            split[begins >= in_order[place]] = name
            first = sessions["time"][begins == in_order[place]].min()
            boundaries[name] = str(in_order[place]) if schema.log.time_unit == "order" else first.isoformat()
    return split, boundaries


def _given(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    split: Column = sessions["split"].to_numpy(dtype=object)
    if schema.split.validation_file is None:
        train = np.flatnonzero(split == "train")
        begins = sessions["first"].to_numpy()[train]
        last = len(train) - int(len(train) * schema.split.validation_share)
        if last < len(train):
            split[train[begins >= np.sort(begins)[last]]] = "validation"
    return split, {}


def _random(schema: Schema, count: int) -> Column:
    order = np.random.default_rng(schema.split.seed).permutation(count)
    test, validation = int(count * schema.split.test_share), int(count * schema.split.validation_share)
    split: Column = np.full(count, "train", dtype=object)
    split[order[:test]] = "test"
    split[order[test : test + validation]] = "validation"
    return split
