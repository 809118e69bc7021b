"""The canonical form of a checked log, independent of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.features import Feature, is_column
from preprocessing.log.errors import LogError
from preprocessing.log.feature_columns import feature_column
from preprocessing.log.ids import first_rows, last_rows, read_ids
from preprocessing.log.numbers import numbers
from preprocessing.log.report import ReadReport, Spans
from preprocessing.log.side_tables import side_table, titles
from preprocessing.log.tables import RawTable
from preprocessing.log.times import Times, read_times
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class RawLog:
    """The interactions of a log, its sessions, users and items.

    interactions: `session` (row of `sessions`), `item` (row of `items`), `instant` (int64: nanoseconds of UTC, or the
        order), `place` (int64, order of equal instants in a session), `value` (float64). An item occurs once in a
        session, unless the schema keeps repeats.
    sessions: sorted by `user` and `session` (both strings); `first` instant, `time` (its shop-local time), the
        columns of context features; `split` if the log has a file for each split.
    users: index `user`, columns of user features. items: index `item`, sorted; `title`, columns of item features.
    report: summary of what was read.
    """

    interactions: pd.DataFrame
    sessions: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    report: ReadReport


def raw_log(
    schema: Schema, log: RawTable, users: RawTable | None, items: RawTable | None, given: Column | None = None
) -> RawLog:
    """Check the tables against the schema and convert them; `LogError` names the column and the remedy.

    given: [N] str, the split of each row of `log` if the log has a file for each split.
    """
    import pandas as pd

    columns = schema.log.columns
    ids = read_ids(schema, log)
    if given is not None:
        ids = ids.with_sessions_apart(given, bool(columns.user))
    times = read_times(log.column(columns.time), columns.time, schema.log)
    value = numbers(log.column(columns.value), columns.value, schema.log) if columns.value else np.zeros(len(log))
    # From here on rows are in the order of time, then of the file: "first" means earliest.
    in_time = np.argsort(times.instant, kind="stable")
    ids, instant, local = ids.take(in_time), times.instant[in_time], times.local[in_time]
    user_side = side_table(schema, "user", ids.users, users, log, in_time[ids.first_rows("user")])
    item_side = side_table(schema, "item", ids.items, items, log, in_time[ids.first_rows("item")])
    item_side.features["title"] = titles(schema, item_side)

    session, user_of, name_of = ids.numbered_sessions()
    first = first_rows(session, len(name_of))
    sessions = pd.DataFrame({"user": user_of, "session": name_of, "first": instant[first], "time": local[first]})
    if given is not None:
        sessions["split"] = given[in_time][first]
    for feature in (feature for feature in schema.features if feature.side == "context" and is_column(feature)):
        sessions[feature.name] = _context_column(schema, feature, log, in_time, session)
    rows = pd.DataFrame(
        {
            "session": session,
            "item": ids.item.astype(np.int32),
            "instant": instant,
            "value": np.nan_to_num(value[in_time]),
        }
    )
    rows["place"] = _places(schema, sessions, rows, ids.items)
    merges = columns.session and schema.log.repeats_in_session == "merge"
    merged = _merge_repeats(rows) if merges else rows
    report = ReadReport(
        rows=len(log),
        users=len(ids.users) if columns.user else 0,
        items=len(ids.items),
        sessions=len(sessions),
        times=times.reading,
        spans=_spans(schema, times),
        repeated_rows=ids.repeats(instant),
        merged_rows=len(rows) - len(merged),
        joins=tuple(side.join for side in (user_side, item_side) if side.join),
        nulls=_nulls(schema, sessions, user_side.features, item_side.features)
        | ({columns.value: float(np.isnan(value).mean())} if columns.value else {}),
    )
    return RawLog(merged, sessions, user_side.features, item_side.features, report)


def _places(schema: Schema, sessions: pd.DataFrame, rows: pd.DataFrame, item_names: Column) -> Column:
    """Return the order inside a session: that of the rows, or one that depends only on the ids of session and item."""
    import pandas as pd

    if schema.log.order_in_session == "file":
        return np.arange(len(rows))
    of_session = pd.util.hash_array(sessions["session"].to_numpy(dtype=object))[rows["session"]]
    of_item = pd.util.hash_array(item_names)[rows["item"]]
    mixed: Column = pd.util.hash_array(of_session ^ pd.util.hash_array(of_item)) >> 1
    return mixed.astype(np.int64)


def _merge_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per session and item: an item twice in a session is one purchase with the sum of the values."""
    keys = ["session", "item"]
    if not rows.duplicated(keys).any():
        return rows
    total = rows.groupby(keys, sort=False)["value"].transform("sum")
    return rows.assign(value=total).drop_duplicates(keys).reset_index(drop=True)


def _context_column(schema: Schema, feature: Feature, log: RawTable, in_time: Column, session: Column) -> Column:
    """Return the feature's value of each session; if it changes in a session, the first or last as the schema says."""
    import pandas as pd

    column = feature_column(feature, log.column(feature.raw_column).take(in_time), schema.log, log.name)
    first = first_rows(session, session.max() + 1)
    if feature.in_session == "constant":
        values = column.map(tuple, na_action="ignore") if feature.request.form == "vector" else column
        codes, _ = pd.factorize(values)
        if (codes != codes[first][session]).any():
            raise LogError(
                f"column {feature.raw_column!r} changes inside a session: say in_session = 'first' (what is known when "
                f"the session begins) or 'last' for {feature.name!r}; give it side = 'item' if it describes the item"
            )
    rows = last_rows(session, len(first)) if feature.in_session == "last" else first
    chosen: Column = column.to_numpy()[rows]
    return chosen


def _spans(schema: Schema, times: Times) -> Spans | None:
    return None if schema.log.time_unit == "order" else Spans(times.local.min(), times.local.max())


def _nulls(schema: Schema, sessions: pd.DataFrame, users: pd.DataFrame, items: pd.DataFrame) -> dict[str, float]:
    """Return the share of sessions, users or items without a value, per feature that is read from a column."""
    frames = {"context": sessions, "user": users, "item": items}
    features = [f for f in schema.features if is_column(f) and f.has_null]
    return {f.name: float(frames[f.side][f.name].isna().mean()) for f in features}
