"""Which sessions train, validate and test: by date, each user's last ones left out, or by a shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log_columns import LogError
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

SPLITS = ("train", "validation", "test")
REMEDIES = {
    "time": "shorten split.validation_days and test_days",
    "leave_one_out": "give users of three sessions",
    "random": "raise split.validation_share and test_share",
}


def split_of_sessions(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    """The split of every session, [S] str, and the boundaries by name (local times; none for leave one out).

    `time`: test = the last `test_days` local days of the log, validation = the `validation_days` before them.
    `leave_one_out`: a user's last session is the test, the one before it the validation (users of fewer than three
    sessions only train), as in the SASRec paper (Kang & McAuley 2018, section IV-A).
    `random`: the first of a shuffle are the test, those after them the validation, each share rounded down.
    """
    boundaries: dict[str, str] = {}
    match schema.split.kind:
        case "time":
            split, boundaries = _by_time(schema, sessions["time"])
        case "leave_one_out":
            split = _leave_one_out(sessions)
        case "random":
            split = _random(schema, len(sessions))
    for name in SPLITS:
        if name not in split:
            span = f"{sessions['time'].min():%Y-%m-%d} to {sessions['time'].max():%Y-%m-%d}"
            raise LogError(
                f"no session falls in {name} (the log spans {span}): {REMEDIES[schema.split.kind]}, or give more log"
            )
    return split, boundaries


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


def _random(schema: Schema, count: int) -> Column:
    order = np.random.default_rng(schema.split.seed).permutation(count)
    test, validation = int(count * schema.split.test_share), int(count * schema.split.validation_share)
    split: Column = np.full(count, "train", dtype=object)
    split[order[:test]] = "test"
    split[order[test : test + validation]] = "validation"
    return split
