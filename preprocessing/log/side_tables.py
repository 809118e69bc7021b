"""Features of users and items: from a table of their own, or from their earliest row in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from preprocessing.features import Feature, is_column
from preprocessing.log.errors import LogError
from preprocessing.log.feature_columns import feature_column
from preprocessing.log.numbers import whole_numbers
from preprocessing.log.report import Join
from preprocessing.log.tables import RawTable
from preprocessing.log.texts import texts
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

Column = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class SideTable:
    """Features of the U users (or items) of the log.

    Attributes:
        features: Indexed by the ids, one column per feature.
        source: The source rows, one for each.
        place: [U] row of `source`, -1 if it has none.
        join: Matches of a table of its own.

    """

    features: pd.DataFrame
    source: RawTable
    place: Column
    join: Join | None


def side_table(
    schema: Schema, side: str, ids: Column, table: RawTable | None, log: RawTable, first_rows: Column
) -> SideTable:
    """Collect the features of every user or item, from its own `table`, else from the `first_rows` [U] of the log."""
    import pandas as pd

    columns = schema.log.columns
    of_log = columns.item if side == "item" else columns.user or columns.session
    key = schema.log.item_table_key if side == "item" else schema.log.user_table_key
    known, join = pd.Index(ids, name=side), None
    if table is None or key is None:
        key, source, place = of_log, log.take(first_rows, _columns(schema, side)), np.arange(len(ids))
    else:
        source, names, nameless = _one_row_each(schema, table, key)
        place = names.get_indexer(known)
        repeated = len(table) - nameless - len(names)
        join = Join(table.name, len(names), int((place >= 0).sum()), len(known), side, repeated, nameless)
        _require_match(join, key, names, known)
    features: dict[str, Column] = {}
    for feature in (feature for feature in schema.features if feature.side == side and is_column(feature)):
        is_id = feature == schema.item_id or feature.raw_column == key
        if is_id or (feature.raw_column == of_log and of_log not in source.columns):
            features[feature.name] = _key_column(schema, feature, known)
        else:
            features[feature.name] = _joined(schema, feature, source, known, place)
    return SideTable(pd.DataFrame(features, index=known), source, place, join)


def _columns(schema: Schema, side: str) -> list[str]:
    """Return the columns that a side takes from the log."""
    names = [feature.raw_column for feature in schema.features if feature.side == side and is_column(feature)]
    title = schema.log.columns.title if side == "item" else None
    return list(dict.fromkeys([*names, *([title] if title else [])]))


def _one_row_each(schema: Schema, table: RawTable, key: str) -> tuple[RawTable, pd.Index[Any], int]:
    """Return the first row of every id, the ids, and the number of rows without an id."""
    import pandas as pd

    ids = texts(table.column(key), key, schema.log)
    codes, first = np.unique(ids.codes, return_index=True)
    rows = np.sort(first[codes >= 0])
    return table.take(rows), pd.Index(ids.values[ids.codes[rows]], dtype=object), ids.nulls


def _require_match(join: Join, key: str, names: pd.Index[Any], known: pd.Index[Any]) -> None:
    if join.matched:
        return
    if not join.rows:
        raise LogError(f"{join.table} has no rows with an id: give one with the log's {join.side}s, or none")
    unpadded = {name.lstrip("0") for name in names}
    alike = sum(name.lstrip("0") in unpadded for name in known)
    hint = f" ({alike:,} match except for leading zeros)" if alike else ""
    raise LogError(
        f"{join.table} has none of the log's {join.of:,} {join.side}s: its {key!r} holds {names[0]!r}, the log "
        f"{known[0]!r}{hint}: write the ids of both alike, or name the right column in log.{join.side}s_key"
    )


def _joined(schema: Schema, feature: Feature, source: RawTable, known: pd.Index[Any], place: Column) -> Column:
    column = feature_column(feature, source.column(feature.raw_column), schema.log, source.name)
    if not feature.has_null and (place < 0).any():
        raise LogError(
            f"{source.name} lacks {int((place < 0).sum())} {feature.side}s of the log ({known[place < 0][0]!r}), "
            f"{feature.name!r} is dtype 'int' and cannot be null: say dtype = 'string'"
        )
    values = column.reindex(place)
    joined: Column = (values.where(place >= 0, None) if column.dtype == object else values).to_numpy()
    return joined


def _key_column(schema: Schema, feature: Feature, known: pd.Index[Any]) -> Column:
    import pyarrow as pa

    names: Column = known.to_numpy(dtype=object)
    if feature.has_null:
        return names
    try:
        numbers: Column = whole_numbers(pa.chunked_array([names]), feature.raw_column, schema.log).to_numpy()
    except LogError as error:
        raise LogError(f"{error}; or say dtype = 'string' for {feature.name!r}") from None
    return numbers


def titles(schema: Schema, items: SideTable) -> Column:
    """Return a display name for every item, [I]; its id if there is none."""
    import pandas as pd

    names: Column = items.features.index.to_numpy(dtype=object)
    title = schema.log.columns.title
    if title is None:
        return names
    found = pd.Series(texts(items.source.column(title), title, schema.log).objects(), dtype=object)
    shown = found.reindex(items.place).to_numpy()
    named: Column = np.where(pd.notna(shown), shown, names)
    return named
