"""Which sessions train, validate and test: by date, or each user's last ones left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log_columns import LogError
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

SPLITS = ("train", "validation", "test")


def split_of_sessions(schema: Schema, sessions: pd.DataFrame) -> tuple[Column, dict[str, str]]:
    """The split of every session, [S] str, and the boundaries by name (local times; none for leave one out).

    `time`: test = the last `test_days` local days of the log, validation = the `validation_days` before them.
    `leave_one_out`: a user's last session is the test, the one before it the validation (users of fewer than three
    sessions only train), as in the SASRec paper (Kang & McAuley 2018, section IV-A).
    """
    by_time = schema.split.kind == "time"
    split, boundaries = _by_time(schema, sessions["time"]) if by_time else (_leave_one_out(sessions), {})
    for name in SPLITS:
        if name not in split:
            span = f"{sessions['time'].min():%Y-%m-%d} to {sessions['time'].max():%Y-%m-%d}"
            remedy = "shorten split.validation_days and test_days" if by_time else "give users of three sessions"
            raise LogError(f"no session falls in {name} (the log spans {span}): {remedy}, or give more log")
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
