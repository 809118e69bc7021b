"""Sequence building, for training only: one row per moment of prediction, with the user's history as of that moment.

A moment is a session, cut at a position chosen by the hash of its id: items before the cut are the session so far,
items after it are the targets. Histories contain what the user took strictly before the session began, so neither the
session itself nor another one of the same instant leaks in.

Items are numbers here (rows of the item table); they become strings again when requests are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preprocessing.histories import Histories, slices
from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Categorical, Feature, Numeric, Schema, Sequence

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]


def group_by_user(purchases: pd.DataFrame) -> pd.DataFrame:
    """Return each user's purchases as lists in the order of time, by NVTabular's Groupby.

    purchases: `user` (int) and the columns of `RawLog.interactions`. Returns one row per user: `instant-list`,
    `session-list`, `item-list`, `value-list`.
    """
    nvt = import_nvtabular()
    with quiet():
        grouped = list(purchases.columns) >> nvt.ops.Groupby(
            groupby_cols=["user"],
            sort_cols=["instant", "session", "place"],
            aggs={column: ["list"] for column in ("instant", "session", "item", "value")},
            name_sep="-",
        )
        workflow = nvt.Workflow(grouped).fit_schema(nvt.Dataset(purchases).schema)
        return workflow.transform(purchases)


def moments(schema: Schema, lists: pd.DataFrame, sessions: pd.DataFrame, users: pd.DataFrame) -> pa.Table:
    """Return requests: every request feature raw, `user`, `session`, `time`, `split`, the lists `target` and sequences.

    lists: `group_by_user`. sessions: `session_rows.with_rows`, index of session numbers. users: index `user`. Lists
    contain item numbers (int32), oldest or rarest first.
    """
    items = _flat(lists["item-list"], np.int32)
    numbers = _flat(lists["session-list"], np.int64)
    # The same purchases session by session, each in the order of time.
    by_session = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(numbers[by_session]) != 0])
    ends = np.r_[starts[1:], len(numbers)]
    rows = sessions.loc[numbers[by_session[starts]]]
    histories = _histories(schema, lists, rows)
    kept = np.flatnonzero(rows["row"] >= 0)
    starts, ends, rows = starts[kept], ends[kept], rows.iloc[kept]
    in_session = items[by_session]
    cuts = starts + rows["cut"].to_numpy()

    def column(feature: Feature) -> Any:
        match feature:
            case Sequence(source="recent"):
                return histories.recent(feature.max_length, kept)
            case Sequence(source="session"):
                return slices(in_session, np.maximum(starts, cuts - feature.max_length), cuts)
            case Sequence():
                return histories.frequent(feature.max_length, feature.half_life_days, kept)
            case Numeric(source="session_value"):
                values = _flat(lists["value-list"], np.float64)[by_session]
                return [values[start:cut].sum() for start, cut in zip(starts, cuts, strict=True)]
            case Numeric(source="session_size"):
                return cuts - starts
            case Numeric(source="days_since_last"):
                return histories.days_since_last(kept)
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
        "target": slices(in_session, cuts, ends),
    }
    for feature in schema.request_features:
        made = column(feature)
        table[feature.name] = made if isinstance(made, pa.Array) else _array(feature, made)
    return pa.table(table)


def _histories(schema: Schema, lists: pd.DataFrame, sessions: pd.DataFrame) -> Histories:
    """Return histories of all purchases; in a random split only of training, because tests may be earlier."""
    items, instants = _flat(lists["item-list"], np.int32), _flat(lists["instant-list"], np.int64)
    counts = lists["item-list"].map(len).to_numpy()
    if schema.split.kind == "random":
        train = (sessions["split"] == "train").loc[_flat(lists["session-list"], np.int64)].to_numpy()
        users = np.repeat(np.arange(len(lists)), counts)
        items, instants, counts = items[train], instants[train], np.bincount(users[train], minlength=len(lists))
    return Histories(items, instants, counts, sessions)


def _array(feature: Feature, values: Any) -> pa.Array:
    """Return a column of one type, independent of the nulls in this part of the log."""
    kind = feature.arrow()
    if pa.types.is_primitive(kind):
        return pa.array(np.asarray(values, dtype=kind.to_pandas_dtype()), kind)
    return pa.array(values.tolist(), kind, from_pandas=pa.types.is_string(kind))


def _flat(lists: pd.Series[Any], dtype: type) -> Column:
    return np.concatenate([np.asarray(values, dtype=dtype) for values in lists])
