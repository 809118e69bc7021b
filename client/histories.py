"""The whole histories of recorded rows, from `DATA/sequences.parquet`: the requests of a model that reads nothing else.

Row r of `DATA/requests/SPLIT` has the history of the moment that has row number r: the items that its user took
strictly before the session began (in a random split, only in training), then those of the session so far, oldest
first. Unknown items are left out, because the file has no names for them; a served model skips them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.errors import RecordedDataInvalid
from stage.parquet import FIT_AGAIN, read_columns, read_row_groups

_SPLITS = {"train": 0, "validation": 1, "test": 2}
_OF_ITEMS, _OF_SESSIONS = ("items", "instants", "sessions"), ("splits", "cuts", "rows")
_FIRST_KNOWN = 3
"""The smallest id of an item; 0, 1 and 2 are padding, null and unknown."""

_Ids = NDArray[np.int32]


def read_histories(requests: Path | str, targets: NDArray[np.int64]) -> Any:
    """Return the history of every row of `DATA/requests/SPLIT`, a list of raw ids each, as an Arrow array.

    targets: [R], the number of targets of each row. Raises RecordedDataInvalid if the folder is not `requests/SPLIT` of
    a data folder, or if `sequences.parquet` has other rows; ParquetError if a file is missing or damaged.
    """
    import pyarrow as pa

    folder = Path(requests).absolute()
    if folder.parent.name != "requests" or folder.name not in _SPLITS:
        raise RecordedDataInvalid(
            f"{requests}: whole histories are in sequences.parquet of its data folder: give DATA/requests/<split>"
        )
    data = folder.parent.parent
    found: list[_Ids | None] = [None] * len(targets)
    for row, history, following in _moments(data, _SPLITS[folder.name]):
        if row >= len(found) or found[row] is not None or targets[row] != following:
            found = [None]
            break
        found[row] = history
    whole = [history for history in found if history is not None]
    if len(whole) < len(targets):
        raise RecordedDataInvalid(f"{data}/sequences.parquet: has other rows than {requests}: {FIT_AGAIN}")
    offsets = np.cumsum([0, *map(len, whole)], dtype=np.int64)
    flat = pa.DictionaryArray.from_arrays(pa.array(np.concatenate(whole) - _FIRST_KNOWN), _names(data))
    return pa.LargeListArray.from_arrays(pa.array(offsets), flat)


def _moments(data: Path, split: int) -> Iterator[tuple[int, _Ids, int]]:
    """Yield row number, history and number of targets of every moment of a split, user by user."""
    train_only = _is_random(data)
    for table in read_row_groups(data / "sequences.parquet", [*_OF_ITEMS, *_OF_SESSIONS]):
        columns = {name: _per_user(table[name]) for name in table.column_names}
        for user in range(table.num_rows):
            items, instants, sessions, splits, cuts, rows = (of_user[user] for of_user in columns.values())
            usable = items >= _FIRST_KNOWN
            earlier = usable & (splits[sessions] == _SPLITS["train"]) if train_only else usable
            for session in np.flatnonzero((splits == split) & (rows >= 0)):
                own, cut = np.flatnonzero(sessions == session), cuts[session]
                before = slice(np.searchsorted(instants, instants[own[0]]))
                so_far = own[:cut][usable[own[:cut]]]
                history = np.concatenate([items[before][earlier[before]], items[so_far]])
                yield int(rows[session]), history, len(own) - int(cut)


def _per_user(column: Any) -> list[NDArray[Any]]:
    lists = column.combine_chunks()
    ends = np.cumsum(lists.value_lengths().to_numpy())
    return np.split(lists.flatten().to_numpy(), ends[:-1])


def _is_random(data: Path) -> bool:
    path = data / "schema.json"
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["schema"]["split"]["kind"] == "random")
    except (OSError, ValueError, LookupError, TypeError):
        raise RecordedDataInvalid(f"{path}: has no split of a data folder: {FIT_AGAIN}") from None


def _names(data: Path) -> Any:
    """Return the raw ids of the known items, in the order of their ids, as an Arrow array."""
    import pyarrow.compute as pc

    table = read_columns(data / "items.parquet", ["item_id", "encoded_id"])
    table = table.filter(pc.greater_equal(table["encoded_id"], _FIRST_KNOWN)).sort_by("encoded_id")
    return table["item_id"].combine_chunks().cast("string")
