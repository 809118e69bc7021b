"""Sequence building, training-time only: one row per moment of prediction, with the user's history as of that moment.

A moment is a session, cut at a place that its id's hash chooses: what stands before the cut is the session so far, what
stands behind it is the target. Histories hold earlier sessions only, so nothing of the target's own time leaks in.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.readers import RawLog
from preprocessing.schema import Categorical, Numeric, Schema, Sequence, is_column

if TYPE_CHECKING:
    import pandas as pd
    from dask.dataframe import DataFrame as DaskFrame

    Column = np.ndarray[Any, np.dtype[Any]]

SESSION_SOURCES = ("session", "session_value", "session_size")
DAY_NS = 86_400_000_000_000


def group_by_user(schema: Schema, log: RawLog, sessions: pd.DataFrame, partitions: int) -> DaskFrame:
    """One row per user: the purchases as lists in time order, by NVTabular's Groupby; a user is in one partition."""
    import dask.dataframe as dd
    import nvtabular as nvt
    import pandas as pd

    rows = log.interactions.join(sessions[["split"]], on=["user", "session"])
    if schema.log.order_in_session == "shuffled":
        rows["place"] = pd.util.hash_array((rows["session"] + "\0" + rows["item"]).to_numpy(dtype=object)) >> 1
    else:
        rows["place"] = rows["file_order"]
    rows["instant"] = rows.groupby(["user", "session"], sort=False)["instant"].transform("first").astype("int64")
    rows["time"] = rows["time"].astype("int64")
    rows = rows.sort_values("user", kind="stable").reset_index(drop=True)
    users = rows["user"].unique()
    owner = np.repeat(np.arange(partitions), [len(part) for part in np.array_split(users, partitions)])
    place_of = pd.Series(owner, index=users)
    bounds = np.searchsorted(rows["user"].map(place_of).to_numpy(), np.arange(partitions + 1))
    parts = [rows.iloc[a:b].reset_index(drop=True) for a, b in pairwise(bounds) if b > a]
    listed = [c for c in rows.columns if c not in ("user", "place", "file_order")]
    grouped = list(rows.columns) >> nvt.ops.Groupby(
        groupby_cols=["user"],
        sort_cols=["instant", "session", "place"],
        aggs={column: ["list"] for column in listed},
        name_sep="-",
    )
    ddf = dd.concat([dd.from_pandas(part, npartitions=1, sort=False) for part in parts])
    lists = nvt.Workflow(grouped).fit_transform(nvt.Dataset(ddf)).to_ddf()
    return lists.rename(columns={f"{column}-list": column for column in listed})


def moments(schema: Schema, lists: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """Rows of requests: every request feature raw as a client would send it, `target`, `user`, `time`, `week`, `split`.

    lists: rows of `group_by_user`, one per user. users: index `user`, the user features.
    """
    import pandas as pd

    tables = [_user_moments(schema, row) for row in lists.to_dict("records")]
    table = {key: [value for part in tables for value in part[key]] for key in _columns(schema)}
    frame = pd.DataFrame(table)
    frame["time"] = pd.to_datetime(frame["time"])
    no_clock = schema.log.time_unit == "order"
    frame["week"] = "all" if no_clock else frame["time"].dt.strftime("%G-W%V")
    for feature in schema.request_features:
        if feature.name in users.columns and feature.side == "user" and feature.name not in frame.columns:
            frame[feature.name] = users[feature.name].reindex(frame["user"]).to_numpy()
        elif isinstance(feature, Categorical) and feature.source == "hour":
            frame[feature.name] = frame["time"].dt.hour.astype("int64")
        elif isinstance(feature, Categorical) and feature.source == "weekday":
            frame[feature.name] = frame["time"].dt.weekday.astype("int64")
    keys = ["user", "session", "time", "week", "split", "target"]
    return frame[keys + [feature.name for feature in schema.request_features]]


def _columns(schema: Schema) -> list[str]:
    made = [f.name for f in schema.request_features if isinstance(f, Sequence)]
    made += [f.name for f in schema.request_features if isinstance(f, Numeric) and f.source != "column"]
    copied = [f.name for f in schema.request_features if f.side == "context" and is_column(f)]
    return ["user", "session", "time", "split", "target", *made, *copied]


def _user_moments(schema: Schema, row: dict[str, Any]) -> dict[str, list[Any]]:
    """Every moment of one user; `row` holds the user's purchases as parallel lists, in time order."""
    items = np.asarray(row["item"], dtype=object)
    names = np.asarray(row["session"], dtype=object)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    ends = np.r_[starts[1:], len(names)]
    splits = [row["split"][start] for start in starts]
    instants = np.asarray(row["instant"], dtype=np.int64)[starts]
    values = np.asarray(row["value"], dtype=np.float64)
    cut_sessions = any(getattr(f, "source", "") in SESSION_SOURCES for f in schema.request_features)
    frequent = {f.name: _FrequentItems(items, f.half_life_days) for f in _sequences(schema, "frequent")}
    skipped = _skipped(schema, splits)
    out: dict[str, list[Any]] = {column: [] for column in _columns(schema)}
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        cut = start + (_cut(names[start], int(end - start)) if cut_sessions else 0)
        if place not in skipped:
            out["user"].append(row["user"])
            out["session"].append(names[start])
            out["time"].append(row["time"][start])
            out["split"].append(splits[place])
            out["target"].append(items[cut:end].tolist())
            for feature in schema.request_features:
                match feature:
                    case Sequence(source="recent"):
                        out[feature.name].append(items[max(0, start - feature.max_length) : start].tolist())
                    case Sequence(source="session"):
                        out[feature.name].append(items[max(start, cut - feature.max_length) : cut].tolist())
                    case Sequence():
                        out[feature.name].append(frequent[feature.name].top(feature.max_length))
                    case Numeric(source="session_value"):
                        out[feature.name].append(values[start:cut].sum())
                    case Numeric(source="session_size"):
                        out[feature.name].append(float(cut - start))
                    case Numeric(source="days_since_last"):
                        since = (instants[place] - instants[place - 1]) / DAY_NS if place else np.nan
                        out[feature.name].append(since)
                    case _ if feature.name in out:
                        out[feature.name].append(row[feature.name][start])
        for counter in frequent.values():
            counter.add(start, end, instants[place])
    return out


def _sequences(schema: Schema, source: str) -> list[Sequence]:
    return [f for f in schema.request_features if isinstance(f, Sequence) and f.source == source]


def _skipped(schema: Schema, splits: list[str]) -> set[int]:
    """Train moments beyond the user's last `train_moments_per_user`: still history of the later ones, no rows."""
    most = schema.split.train_moments_per_user
    train = [place for place, split in enumerate(splits) if split == "train"]
    return set(train[: len(train) - most]) if most and len(train) > most else set()


def _cut(session: str, size: int) -> int:
    """A place in [0, size) that depends on nothing but the session's id."""
    digest = hashlib.blake2b(session.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % size


class _FrequentItems:
    """The user's items by (decayed) number of sessions, ties by the latest purchase; the most frequent last."""

    def __init__(self, items: Column, half_life_days: float | None) -> None:
        names, self._codes = np.unique(items, return_inverse=True)
        self._names = np.asarray(names, dtype=object)
        self._weight = np.zeros(len(self._names))
        self._last = np.zeros(len(self._names), dtype=np.int64)
        self._half_life_ns = half_life_days * DAY_NS if half_life_days else None
        self._origin: int | None = None

    def add(self, start: int, end: int, instant: int) -> None:
        codes = self._codes[start:end]
        weight = 1.0
        if self._half_life_ns:
            # Growing weights order as decaying ones do, and need no pass over the earlier sessions.
            self._origin = instant if self._origin is None else self._origin
            weight = 2.0 ** ((instant - self._origin) / self._half_life_ns)
        self._weight[codes] += weight
        self._last[codes] = np.arange(start + 1, end + 1)

    def top(self, most: int) -> list[str]:
        seen = np.flatnonzero(self._weight)
        order = np.lexsort((self._last[seen], self._weight[seen]))
        names: list[str] = self._names[seen[order[-most:]]].tolist()
        return names
