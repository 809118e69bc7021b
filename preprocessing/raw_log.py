"""A checked log in one canonical form, whatever it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.log_columns import LogError, feature_column, instants, numbers, require_columns, strings
from preprocessing.schema import Categorical, Feature, Schema, is_column

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class RawLog:
    """Who took what in which session.

    interactions: `session` (row of `sessions`), `item` (row of `items`), `instant` (int64: nanoseconds of UTC, or the
        order), `place` (int64, orders what has one instant and session), `value` (float64). An item stands once in a
        session.
    sessions: sorted by `user` and `session` (both strings); `first` instant, `time` (shop-local, of the first), the
        columns of context features.
    users: index `user`, columns of user features. items: index `item`, sorted; `title`, columns of item features.
    """

    interactions: pd.DataFrame
    sessions: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame


def raw_log(schema: Schema, log: pd.DataFrame, users: pd.DataFrame | None, items: pd.DataFrame | None) -> RawLog:
    """Check the frames against the schema and make them canonical; `LogError` names the column and the remedy."""
    import pandas as pd

    columns = schema.log.columns
    required = {"user": columns.user, "item": columns.item, "time": columns.time, "session": columns.session}
    require_columns(log, "the log", [column for column in (*required.values(), columns.value) if column])
    if not len(log):
        raise LogError("the log is empty: give a log with interactions")
    instant, local = instants(schema, log[columns.time])
    # From here on in the order of time, the file's order among equals: "first" means earliest.
    in_time = np.argsort(instant, kind="stable")
    log, instant, local = log.iloc[in_time], instant[in_time], local.iloc[in_time]
    ids = {role: strings(log[column]) for role, column in required.items() if column and role != "time"}
    for role, texts in ids.items():
        if missing := int(texts.isna().sum()):
            raise LogError(f"column {required[role]!r} ({role}): {missing} rows have none, filter them out of the log")
    if "session" not in ids:
        # Padded, so that sessions of one instant stay in the file's order.
        ids["session"] = pd.Series([f"{place:012}" for place in range(len(log))], index=log.index, dtype=object)
    user, user_names = pd.factorize(ids["user"], sort=True)
    item, item_names = pd.factorize(ids["item"], sort=True)
    if len(user_names) < 2:
        raise LogError(f"the log has a single user ({user_names[0]!r}): give the log of at least two")
    _, session_names = pd.factorize(ids["session"], sort=True)
    session_code = pd.Index(session_names).get_indexer(ids["session"])
    session, keys = pd.factorize(user * len(session_names) + session_code, sort=True)
    value = numbers(log[columns.value], columns.value).fillna(0.0).to_numpy() if columns.value else np.zeros(len(log))
    first = np.unique(session, return_index=True)[1]
    sessions = pd.DataFrame(
        {
            "user": np.asarray(user_names, dtype=object)[keys // len(session_names)],
            "session": np.asarray(session_names, dtype=object)[keys % len(session_names)],
            "first": instant[first],
            "time": local.to_numpy()[first],
        }
    )
    for feature in _column_features(schema, "context"):
        sessions[feature.name] = _context_column(feature, log, session, first)
    rows = pd.DataFrame({"session": session, "item": item.astype(np.int32), "instant": instant, "value": value})
    rows["place"] = _places(schema, sessions, rows, item_names)
    user_table = _side_table(schema, "user", user_names, users, columns.user, log)
    item_table = _side_table(schema, "item", item_names, items, columns.item, log)
    item_table["title"] = _titles(schema, item_table.index, log if items is None else items)
    return RawLog(_merge_repeats(rows), sessions, user_table, item_table)


def _places(schema: Schema, sessions: pd.DataFrame, rows: pd.DataFrame, item_names: pd.Index[Any]) -> Column:
    """The order inside a session: as the rows stand, or one that only the ids of session and item tell."""
    import pandas as pd

    if schema.log.order_in_session == "file":
        return np.arange(len(rows))
    of_session = pd.util.hash_array(sessions["session"].to_numpy(dtype=object))[rows["session"]]
    of_item = pd.util.hash_array(np.asarray(item_names, dtype=object))[rows["item"]]
    mixed: Column = pd.util.hash_array(of_session ^ pd.util.hash_array(of_item)) >> 1
    return mixed.astype(np.int64)


def _merge_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per session and item: an item entered twice in a session is one purchase of the summed value."""
    keys = ["session", "item"]
    if not rows.duplicated(keys).any():
        return rows
    total = rows.groupby(keys, sort=False)["value"].transform("sum")
    return rows.assign(value=total).drop_duplicates(keys).reset_index(drop=True)


def _column_features(schema: Schema, side: str) -> list[Feature]:
    return [feature for feature in schema.features if feature.side == side and is_column(feature)]


def _context_column(feature: Feature, log: pd.DataFrame, session: Column, first: Column) -> Column:
    """The feature's value of each session; two of them in one session could only be known after the request."""
    import pandas as pd

    require_columns(log, "the log", [feature.raw_column])
    column = feature_column(feature, log[feature.raw_column], "the log")
    values = column.map(tuple, na_action="ignore") if feature.kind == "pretrained" else column
    codes, _ = pd.factorize(values)
    if (codes != codes[first][session]).any():
        raise LogError(
            f"column {feature.raw_column!r} changes inside a session: a context feature is one value known at the "
            f"request, give {feature.name!r} side = 'item' or drop it"
        )
    values_of_sessions: Column = column.to_numpy()[first]
    return values_of_sessions


def _side_table(
    schema: Schema, side: str, ids: pd.Index[Any], table: pd.DataFrame | None, key: str, log: pd.DataFrame
) -> pd.DataFrame:
    """Features of every user (or item) of the log; from its own table, or from its earliest row of the log."""
    import pandas as pd

    source, what = (table, f"the {side} table") if table is not None else (log, "the log")
    require_columns(source, what, [key])
    source, names = _one_row_each(source, key)
    known = pd.Index(ids, name=side)
    place = names.get_indexer(known)
    features: dict[str, Column] = {}
    for feature in _column_features(schema, side):
        if feature.raw_column == key:
            features[feature.name] = _key_column(feature, known)
            continue
        require_columns(source, what, [feature.raw_column])
        column = feature_column(feature, source[feature.raw_column], what)
        if isinstance(feature, Categorical) and feature.dtype == "int" and (place < 0).any():
            raise LogError(
                f"{what} lacks {int((place < 0).sum())} {side}s of the log ({known[place < 0][0]!r}), "
                f"{feature.name!r} is dtype 'int' and cannot be null: say dtype = 'string'"
            )
        values = column.reset_index(drop=True).reindex(place)
        features[feature.name] = (values.where(place >= 0, None) if column.dtype == object else values).to_numpy()
    return pd.DataFrame(features, index=known)


def _one_row_each(table: pd.DataFrame, key: str) -> tuple[pd.DataFrame, pd.Index[Any]]:
    """The first row of every id, and the ids."""
    import pandas as pd

    names = strings(table[key])
    first = (~names.duplicated() & names.notna()).to_numpy()
    return table[first], pd.Index(names[first])


def _key_column(feature: Feature, known: pd.Index[Any]) -> Column:
    names: Column = known.to_numpy(dtype=object)
    if not (isinstance(feature, Categorical) and feature.dtype == "int"):
        return names
    try:
        return names.astype(np.int64)
    except ValueError as error:
        raise LogError(f"column {feature.raw_column!r}: {error}, say dtype = 'string' for {feature.name!r}") from None


def _titles(schema: Schema, known: pd.Index[Any], source: pd.DataFrame) -> Column:
    """A name to show for every item; its id where there is none."""
    columns = schema.log.columns
    names: Column = known.to_numpy(dtype=object)
    if columns.title is None:
        return names
    require_columns(source, "the item table", [columns.item, columns.title])
    first, ids = _one_row_each(source, columns.item)
    titles = strings(first[columns.title]).set_axis(ids).reindex(known)
    named: Column = titles.where(titles.notna(), names).to_numpy(dtype=object)
    return named
