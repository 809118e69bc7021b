"""Sequence building, training-time only: one row per moment of prediction, with the user's history as of that moment.

A moment is a session, cut at a place that its id's hash chooses: what stands before the cut is the session so far, what
stands behind it is the target. Histories hold the sessions that ended strictly before this one began, so neither the
target's own time nor a session of the same instant leaks in.

Items are numbers here (rows of the item table): strings come back where requests are written.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preprocessing.frequent_items import FrequentItems
from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Schema, Sequence

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

SESSION_SOURCES = ("session", "session_value", "session_size")
DAY_NS = 86_400_000_000_000


def group_by_user(purchases: pd.DataFrame) -> pd.DataFrame:
    """Each user's purchases as lists, by NVTabular's Groupby: sessions in the order of their ends, then by number.

    purchases: `user`, `last` (the session's end), `session`, `place`, `item`, `value`; one row per purchase.
    Returns one row per user: `item-list`, `session-list`, `value-list`.
    """
    nvt = import_nvtabular()
    with quiet():
        grouped = list(purchases.columns) >> nvt.ops.Groupby(
            groupby_cols=["user"],
            sort_cols=["last", "session", "place"],
            aggs={column: ["list"] for column in ("item", "session", "value")},
            name_sep="-",
        )
        workflow = nvt.Workflow(grouped).fit_schema(nvt.Dataset(purchases).schema)
        return workflow.transform(purchases)


def moments(schema: Schema, lists: pd.DataFrame, sessions: pd.DataFrame, users: pd.DataFrame) -> pa.Table:
    """Requests: every request feature raw, `user`, `session`, `time`, `split`, and the lists `target` and sequences.

    lists: `group_by_user`. sessions: index of session numbers, see `RawLog.sessions`, with `split`. users: index
    `user`. Lists hold item numbers (int32), oldest or rarest first.
    """
    items = _flat(lists["item-list"], np.int32)
    numbers = _flat(lists["session-list"], np.int64)
    values = _flat(lists["value-list"], np.float64)
    starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
    ends = np.r_[starts[1:], len(numbers)]
    ordered = sessions.loc[numbers[starts]]
    cut_sessions = any(getattr(f, "source", "") in SESSION_SOURCES for f in schema.request_features)
    cuts = starts + (_cuts(ordered["session"], ends - starts) if cut_sessions else 0)
    so_far = np.arange(len(items)) < np.repeat(cuts, ends - starts)
    value = np.bincount(np.repeat(np.arange(len(starts)), ends - starts), weights=values * so_far)
    histories = _Histories(ordered, starts, ends, np.cumsum(lists["item-list"].map(len).to_numpy()))
    kept = histories.kept(schema.split.train_moments_per_user)
    starts, cuts, ends, value = starts[kept], cuts[kept], ends[kept], value[kept]
    begin, stop, rows = histories.begin[kept], histories.stop[kept], ordered.iloc[kept]

    def column(feature: Feature) -> Any:
        match feature:
            case Sequence(source="recent"):
                return _lists(items, np.maximum(begin, stop - feature.max_length), stop)
            case Sequence(source="session"):
                return _lists(items, np.maximum(starts, cuts - feature.max_length), cuts)
            case Sequence():
                return histories.frequent(items, feature, kept)
            case Numeric(source="session_value"):
                return value
            case Numeric(source="session_size"):
                return (cuts - starts).astype(np.float64)
            case Numeric(source="days_since_last"):
                return histories.days_since_last()[kept]
            case Categorical(source="hour"):
                return rows["time"].dt.hour
            case Categorical(source="weekday"):
                return rows["time"].dt.weekday
            case _:
                source = rows if feature.side == "context" else users.loc[rows["user"]]
                return source[feature.name]

    table = {
        "user": pa.array(rows["user"], pa.string()),
        "session": pa.array(rows["session"], pa.string()),
        "time": pa.array(rows["time"], pa.timestamp("ns")),
        "split": pa.array(rows["split"], pa.string()),
        "target": _lists(items, cuts, ends),
    }
    for feature in schema.request_features:
        made = column(feature)
        table[feature.name] = made if isinstance(made, pa.Array) else _array(feature, made)
    return pa.table(table)


def _array(feature: Feature, values: Any) -> pa.Array:
    """One column of one type, whatever nulls this part of the log has."""
    match feature:
        case Numeric():
            return pa.array(np.asarray(values, dtype=np.float64), pa.float64())
        case Categorical(dtype="int"):
            return pa.array(np.asarray(values, dtype=np.int64), pa.int64())
        case Pretrained():
            return pa.array(values.tolist(), pa.list_(pa.float32()))
        case _:
            return pa.array(values.tolist(), pa.string(), from_pandas=True)


def _flat(lists: pd.Series[Any], dtype: type) -> Column:
    return np.concatenate([np.asarray(values, dtype=dtype) for values in lists])


def _lists(values: Column, begin: Column, end: Column) -> pa.ListArray:
    """`values[begin[r]:end[r]]` for every row r."""
    lengths = end - begin
    offsets = np.r_[0, np.cumsum(lengths)]
    flat = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], lengths)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values[flat]))


def _cuts(sessions: pd.Series[Any], sizes: Column) -> Column:
    """A place in [0, size) for each session, that depends on nothing but the session's id."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in sessions)
    cuts: Column = (np.frombuffer(digests, dtype="<u8") % sizes.astype(np.uint64)).astype(np.int64)
    return cuts


class _Histories:
    """What each session's user had before it: a prefix of the user's purchases, as sessions stand by their ends.

    begin, stop: [S] int64, the prefix in the flat purchases. sessions: in the order of the flat purchases.
    """

    def __init__(self, sessions: pd.DataFrame, starts: Column, ends: Column, user_ends: Column) -> None:
        self._starts, self._ends = starts, ends
        self._split = sessions["split"].to_numpy()
        self._first, self._last = sessions["first"].to_numpy(), sessions["last"].to_numpy()
        bounds = np.r_[0, np.searchsorted(starts, user_ends)]
        self._users = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        self._before = np.concatenate(
            [a + np.searchsorted(self._last[a:b], self._first[a:b], side="left") for a, b in self._users]
        )
        self._of_user = np.repeat(bounds[:-1], np.diff(bounds))
        self.begin = starts[self._of_user]
        self.stop = np.r_[starts, len(starts) and ends[-1]][self._before]

    def days_since_last(self) -> Column:
        """Days from the end of the last earlier session, NaN where there is none."""
        some = self._before > self._of_user
        since = (self._first - self._last[self._before - 1]) / DAY_NS
        days: Column = np.where(some, since, np.nan)
        return days

    def kept(self, train_moments_per_user: int | None) -> Column:
        """Sessions that become rows: all, or of those that train only each user's latest; the others stay history."""
        kept = np.ones(len(self._starts), dtype=bool)
        if train_moments_per_user:
            for a, b in self._users:
                by_time = a + np.argsort(self._first[a:b], kind="stable")
                train = by_time[self._split[by_time] == "train"]
                kept[train[: max(0, len(train) - train_moments_per_user)]] = False
        return np.flatnonzero(kept)

    def frequent(self, items: Column, feature: Sequence, kept: Column) -> pa.ListArray:
        """The most frequent items before each of the `kept` sessions."""
        top: list[Column] = [items[:0]] * len(self._starts)
        wanted = np.zeros(len(self._starts), dtype=bool)
        wanted[kept] = True
        for a, b in self._users:
            counter = FrequentItems(items[self._starts[a] : self._ends[b - 1]], feature.half_life_days)
            added = a
            for place in (a + np.argsort(self._before[a:b], kind="stable")).tolist():
                while added < self._before[place]:
                    counter.add(self._ends[added] - self._starts[added], int(self._last[added]))
                    added += 1
                if wanted[place]:
                    top[place] = counter.top(feature.max_length)
        chosen = [top[place] for place in kept.tolist()]
        offsets = np.r_[0, np.cumsum([len(names) for names in chosen])]
        flat = np.concatenate([*chosen, items[:0]])
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat))
