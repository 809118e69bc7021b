"""The reader of a data folder's `sequences.parquet`, by row groups, as flat arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stage.errors import BadInput
from stage.parquet import read_row_groups

Array = npt.NDArray[Any]
Also = Literal["instants", "sessions"]

SEQUENCES = "sequences.parquet"
SPLIT_CODES = {"train": 0, "validation": 1, "test": 2}


class SequencesError(BadInput):
    """The data folder has no sequences, or none of the requested kind."""


@dataclass(frozen=True)
class Users:
    """U whole users with S sessions and N items, user by user, each user's items oldest first.

    columns: by name, [N] `items`, `instants` and `sessions` (of the user), [S] `splits`, `cuts` and `rows`.
    user, session: [N], of each item, in 0 … U - 1 and 0 … S - 1. user_of_session: [S]. before: number of users before
    these in the file.
    """

    before: int
    columns: dict[str, Array]
    user: Array
    session: Array
    user_of_session: Array

    def trains(self) -> Array:
        """Return whether each item is from a training session, [N] bool."""
        trains: Array = (self.columns["splits"] == SPLIT_CODES["train"])[self.session]
        return trains


def read_users(data: str | Path, columns: tuple[str, ...]) -> Iterator[Users]:
    """Yield the users of `DATA/sequences.parquet` by row groups, with its `columns`.

    Raises:
        SequencesError: There is no such file.
        ParquetError: The file is damaged, or lacks a column.

    """
    path = Path(data) / SEQUENCES
    if not path.is_file():
        raise SequencesError(
            f"no {SEQUENCES} in {data}: give the output folder of `preprocessing fit`; if an earlier version wrote it, "
            "run the fit again"
        )
    names = dict.fromkeys(("sessions", "splits", *columns))
    before = 0
    for table in read_row_groups(path, list(names)):
        lists = {name: _lists(table[name]) for name in names}
        (sessions, item_counts), (_, session_counts) = lists["sessions"], lists["splits"]
        user = np.repeat(np.arange(table.num_rows), item_counts)
        first_session = np.cumsum(session_counts) - session_counts
        yield Users(
            before,
            {name: values for name, (values, _) in lists.items()},
            user=user,
            session=sessions + first_session[user],
            user_of_session=np.repeat(np.arange(table.num_rows), session_counts),
        )
        before += table.num_rows


def _lists(column: pa.ChunkedArray) -> tuple[Array, Array]:
    """Return the flat values of a column of lists, and the length of each list."""
    lists = column.combine_chunks()
    return lists.flatten().to_numpy(), lists.value_lengths().to_numpy().astype(np.int64)


def padded(values: Array, begin: Array, end: Array) -> Array:
    """Return `values[begin[r]:end[r]]` as row r, padded right with 0: [B, longest of them, at least 1] int64."""
    lengths = end - begin
    place = np.arange(max(int(lengths.max(initial=0)), 1))
    inside = place < lengths[:, None]
    out = np.zeros(inside.shape, dtype=np.int64)
    out[inside] = values[(begin[:, None] + place)[inside]]
    return out
