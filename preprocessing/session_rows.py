"""The sessions that become rows, their position in the split, and their cut, the same for every layout."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log.canonical import RawLog
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

SESSION_SOURCES = ("session", "session_value", "session_size")


def with_rows(schema: Schema, log: RawLog, split: Column) -> pd.DataFrame:
    """Return `log.sessions` with the columns that rows need.

    split: [S] str, added as `split`. `cut`: the number of the session's items before the targets, 0 if no feature reads
    the session (in a schema without request features, models of histories do). `row`: its position among the moments
    of its split, by local time, then by user and session; -1 if it
    is history only.
    """
    sizes = np.bincount(log.interactions["session"], minlength=len(log.sessions))
    sources = [getattr(feature, "source", "") for feature in schema.request_features]
    if schema.split.targets == "last":
        cut = sizes - 1
    elif not sources or any(source in SESSION_SOURCES for source in sources):
        cut = _cuts(log.sessions["session"], sizes)
    else:
        cut = np.zeros(len(sizes), dtype=np.int64)
    kept = _kept(log.sessions, split, schema.split.train_moments_per_user)
    row = np.full(len(sizes), -1, dtype=np.int64)
    time = log.sessions["time"].to_numpy()
    for name in np.unique(split):
        chosen = np.flatnonzero(kept & (split == name))
        row[chosen[np.argsort(time[chosen], kind="stable")]] = np.arange(len(chosen))
    return log.sessions.assign(split=split, cut=cut, row=row)


def _cuts(sessions: pd.Series[Any], sizes: Column) -> Column:
    """Return a position in [0, size) for each session, which depends only on the session's id."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in sessions)
    cuts: Column = (np.frombuffer(digests, dtype="<u8") % sizes.astype(np.uint64)).astype(np.int64)
    return cuts


def _kept(sessions: pd.DataFrame, split: Column, train_moments_per_user: int | None) -> Column:
    """Return whether each session becomes a row, [S]: all, or in training only each user's latest."""
    import pandas as pd

    kept = np.ones(len(sessions), dtype=bool)
    if train_moments_per_user:
        train = np.flatnonzero(split == "train")
        user = pd.factorize(sessions["user"])[0][train]
        in_time = np.lexsort((sessions["first"].to_numpy()[train], user))
        from_last = np.searchsorted(user, user, side="right") - np.arange(len(user))
        kept[train[in_time]] = from_last <= train_moments_per_user
    return kept
