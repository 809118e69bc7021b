"""Every user's items in the order of time, stored once and flat, for models that train on whole sequences.

`sequences.parquet` has one row per user (per session if the log has no users), in the order of their names. Lists
with one value an item, by instant, then session, then place in the session:

  items     int32  encoded ids; an item rarer than `min_frequency` is 2, unknown
  instants  int64  nanoseconds of UTC since 1970, or the log's order
  sessions  int32  the item's session: 0, 1, … in the order in which the user's sessions begin

Lists with one value a session, in that numbering:

  splits    int8   0 train, 1 validation, 2 test
  cuts      int32  number of its items before the targets of its moment
  rows      int32  position of its moment among the rows of its split, -1 if it is history only

A session's items need not be adjacent: sessions of one user may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from preprocessing.log.canonical import RawLog
from preprocessing.log.ids import first_rows
from preprocessing.split import SPLITS

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]

ITEM_SEQUENCES = "sequences.parquet"
ITEMS_PER_GROUP = 1 << 20
"""Approximate number of items in a row group, which a reader holds in memory at once."""
OF_ITEMS = {"items": pa.int32(), "instants": pa.int64(), "sessions": pa.int32()}
OF_SESSIONS = {"splits": pa.int8(), "cuts": pa.int32(), "rows": pa.int32()}
RISING = ("instants", "sessions", "rows")


def write_item_sequences(
    log: RawLog, sessions: pd.DataFrame, items: pd.DataFrame, folder: Path, group: int = ITEMS_PER_GROUP
) -> None:
    """Write `sequences.parquet`; its bytes depend only on the log and the schema.

    sessions: `session_rows.with_rows`. items: `number_items`. group: approximate number of items in a row group.
    """
    lists = {**OF_ITEMS, **OF_SESSIONS}
    table = pa.schema(
        [pa.field("user", pa.string(), False), *(pa.field(name, _list_of(kind), False) for name, kind in lists.items())]
    )
    encodings = {f"{name}.list.element": "DELTA_BINARY_PACKED" for name in RISING}
    with pq.ParquetWriter(
        folder / ITEM_SEQUENCES,
        table,
        compression="zstd",
        use_dictionary=[f"{name}.list.element" for name in lists if name not in RISING],
        column_encoding=encodings,
    ) as writer:
        for rows in _groups(log, sessions, items["encoded_id"].to_numpy(), group):
            writer.write_table(pa.table(rows, table), row_group_size=len(rows["user"]))


def _groups(log: RawLog, sessions: pd.DataFrame, ids: Column, group: int) -> Iterator[dict[str, Any]]:
    """Yield the columns of whole users, about `group` items at once, with users in the order of `sessions`."""
    names = sessions["user"].to_numpy()
    begins = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    user = np.repeat(np.arange(len(begins)), np.diff(np.r_[begins, len(names)]))
    taken = log.interactions
    session = taken["session"].to_numpy()
    order = np.lexsort((taken["place"], session, taken["instant"], user[session]))
    session = session[order]
    # By user, then in the order in which sessions begin.
    numbered = np.argsort(first_rows(session, len(sessions)))
    number = np.empty(len(numbered), dtype=np.int64)
    number[numbered] = np.arange(len(numbered))
    session_ends, item_ends = (np.cumsum(np.bincount(of)) for of in (user, user[session]))
    session_begins, item_begins = np.r_[0, session_ends[:-1]], np.r_[0, item_ends[:-1]]
    split_of, split_names = sessions["split"].factorize()
    split = np.array([SPLITS.index(name) for name in split_names])[split_of]
    item, instant = taken["item"].to_numpy(), taken["instant"].to_numpy()
    of_session = {"splits": split, "cuts": sessions["cut"].to_numpy(), "rows": sessions["row"].to_numpy()}
    last = np.r_[np.flatnonzero(np.diff((item_ends - 1) // group)), len(begins) - 1]
    for first, stop in zip(np.r_[0, last[:-1] + 1].tolist(), (last + 1).tolist(), strict=True):
        taken_here = slice(item_begins[first], item_ends[stop - 1])
        own, sessions_here = order[taken_here], numbered[session_begins[first] : session_ends[stop - 1]]
        lengths = (item_ends - item_begins)[first:stop]
        of_item = {
            "items": ids[item[own]],
            "instants": instant[own],
            "sessions": number[session[taken_here]] - np.repeat(session_begins[first:stop], lengths),
        }
        own_sessions = {name: values[sessions_here] for name, values in of_session.items()}
        sizes = (session_ends - session_begins)[first:stop]
        yield {
            "user": pa.array(names[begins[first:stop]], pa.string()),
            **{name: _lists(values, lengths, OF_ITEMS[name]) for name, values in of_item.items()},
            **{name: _lists(values, sizes, OF_SESSIONS[name]) for name, values in own_sessions.items()},
        }


def _lists(values: Column, lengths: Column, kind: pa.DataType) -> pa.ListArray:
    offsets = pa.array(np.r_[0, np.cumsum(lengths)], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values).cast(kind), type=_list_of(kind))


def _list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind, nullable=False))
