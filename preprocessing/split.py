"""Which moments train, validate and test: by date, or each user's last ones left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preprocessing.readers import LogError, RawLog
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")


def sessions_with_split(schema: Schema, log: RawLog) -> tuple[pd.DataFrame, dict[str, str]]:
    """The log's sessions, index (user, session) in time order, with their `split`; and the boundaries by name.

    `time`: test = the last `test_days` local days of the log, validation = the `validation_days` before them.
    `leave_one_out`: a user's last session is the test, the one before it the validation (users of fewer than three
    sessions only train), as in the SASRec paper (Kang & McAuley 2018, section IV-A).
    """
    import pandas as pd

    rows = log.interactions.sort_values(["instant", "file_order"], kind="stable")
    sessions = rows.groupby(["user", "session"], sort=False)[["instant", "time"]].first()
    if schema.split.kind == "time":
        day = pd.Timedelta(days=1)
        end = sessions["time"].max().normalize() + day
        test = end - schema.split.test_days * day
        validation = test - schema.split.validation_days * day
        sessions["split"] = "train"
        sessions.loc[sessions["time"] >= validation, "split"] = "validation"
        sessions.loc[sessions["time"] >= test, "split"] = "test"
        boundaries = {"validation": validation.isoformat(), "test": test.isoformat()}
    else:
        users = sessions.groupby(level="user", sort=False)
        from_last = users.cumcount(ascending=False)
        enough = users["instant"].transform("size") >= 3
        sessions["split"] = "train"
        sessions.loc[enough & (from_last == 1), "split"] = "validation"
        sessions.loc[enough & (from_last == 0), "split"] = "test"
        boundaries = {}
    counts = sessions["split"].value_counts()
    for split in SPLITS:
        if not counts.get(split, 0):
            span = f"{sessions['time'].min():%Y-%m-%d} to {sessions['time'].max():%Y-%m-%d}"
            raise LogError(
                f"no session falls in {split} (the log spans {span}): shorten the split's days, or give more log"
            )
    return sessions, boundaries
