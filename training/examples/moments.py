"""Encoded rows as tensors: a whole split in memory as flat arrays, from which a batch is sliced by row numbers."""

from __future__ import annotations

from collections.abc import Sequence as Indices
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from preprocessing.ragged import pad
from preprocessing.schema import FIRST_KNOWN_ID, Feature, FittedSchema
from stage.parquet import read_columns
from training.examples.folder import DataError as DataError
from training.examples.folder import week_files

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """Lists of ids, [N, *]: row r is `values[offsets[r] : offsets[r + 1]]`."""

    values: Array
    offsets: Array

    def lengths(self, rows: Array) -> Array:
        lengths: Array = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def flat(self, rows: Array) -> tuple[Array, Array]:
        """Return the values of `rows`, [T], and the position in `rows` of each, [T]."""
        lengths = self.lengths(rows)
        owner = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.values[self.offsets[rows][owner] + within], owner

    def padded(self, rows: Array) -> Array:
        """Return the lists of `rows` padded right with 0, [len(rows), longest of them, at least 1]."""
        values, _ = self.flat(rows)
        return pad(values, self.lengths(rows))


@dataclass(frozen=True)
class Batch:
    """Features by name (ids [B], numbers [B], sequences [B, L], vectors [B, dim]) and flat targets.

    index: [B] int64, row numbers in the split. rows, targets: [T] int64, the row and the item id of every target
    in the catalogue. excluded: ids of the schema's `exclude` sequences, each [B, L].
    """

    index: Array
    features: dict[str, Tensor]
    rows: Tensor
    targets: Tensor
    excluded: tuple[Tensor, ...]


class SplitData:
    """The encoded rows of a split, read from `DATA/SPLIT/week=*/*.parquet` in the order of the weeks."""

    def __init__(self, data: str | Path, split: str, fitted: FittedSchema) -> None:
        files = week_files(data, split)
        self.name = split
        self.features = fitted.schema_.request_features
        self._exclude = fitted.schema_.exclude
        names = [feature.name for feature in self.features] + ["target"]
        table = _concatenated(files, names)
        try:
            self._columns = {feature.name: _column(feature, table) for feature in self.features}
            self.targets = _ragged(table["target"])
        except (AttributeError, ValueError) as error:
            raise DataError(f"{Path(data) / split}: is not of this schema ({error}), run the fit again") from None
        self._count: int = table.num_rows
        self._requests = Path(data) / "requests" / split

    def __len__(self) -> int:
        return self._count

    def batch(self, rows: Array) -> Batch:
        """Return the given rows, [B] int64."""
        features = {}
        for name, column in self._columns.items():
            values = column.padded(rows) if isinstance(column, Ragged) else column[rows]
            features[name] = torch.from_numpy(np.ascontiguousarray(values))
        targets, owner = self.targets.flat(rows)
        known = targets >= FIRST_KNOWN_ID
        excluded = tuple(features[name] for name in self._exclude)
        return Batch(rows, features, torch.from_numpy(owner[known]), torch.from_numpy(targets[known]), excluded)

    def target_lists(self, rows: Array) -> list[Array]:
        """Return all targets of each row, including unknown ones (id 2)."""
        return [self.targets.values[self.targets.offsets[r] : self.targets.offsets[r + 1]] for r in rows]

    def times(self) -> Array:
        """Return the local time of every row, [N] datetime64."""
        times: Array = self._of_requests("time").to_numpy()
        return times

    def users(self) -> Array:
        """Return the number of every row's user, 0 … U - 1, [N]; null is a user."""
        codes = pc.dictionary_encode(self._of_requests("user").combine_chunks(), null_encoding="encode")
        numbers: Array = codes.indices.to_numpy().astype(np.int64)
        return numbers

    def _of_requests(self, column: str) -> pa.ChunkedArray:
        """Return a column of the raw rows, [N]."""
        values = _concatenated(sorted(self._requests.glob("week=*/*.parquet")), [column])[column]
        if len(values) != self._count:
            raise DataError(
                f"{self._requests}: has {len(values)} rows, {self._requests.name} has {self._count}: run the fit again"
            )
        return values

    def target_counts(self, items: int) -> Array:
        """Return how often each item id is a target, [items] int64."""
        counts: Array = np.bincount(self.targets.values, minlength=items)
        return counts

    def having_targets(self) -> Array:
        """Return the rows with at least one target in the catalogue; nothing can be learned from the others."""
        known = np.r_[0, np.cumsum(self.targets.values >= FIRST_KNOWN_ID)]
        rows: Array = np.flatnonzero(known[self.targets.offsets[1:]] > known[self.targets.offsets[:-1]])
        return rows


def _concatenated(files: list[Path], columns: list[str]) -> pa.Table:
    """Return `columns` of the files of one split, in their order."""
    tables = [read_columns(file, columns) for file in files]
    try:
        return pa.concat_tables(tables) if tables else pa.table({column: pa.nulls(0) for column in columns})
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{files[0].parent.parent}: files differ ({reason}), run the fit again") from None


def _column(feature: Feature, table: pa.Table) -> Array | Ragged:
    column = table[feature.name]
    match feature.encoded.form:
        case "scalar":
            scalars: Array = column.to_numpy()
            return scalars
        case "list":
            return _ragged(column)
        case "vector":
            vectors: Array = _ragged(column).values.reshape(-1, feature.encoded.length).astype(np.float32)
            return vectors


def _ragged(column: pa.ChunkedArray) -> Ragged:
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy(zero_copy_only=False)
    return Ragged(values[offsets[0] : offsets[-1]], (offsets - offsets[0]).astype(np.int64))


class Moments(torch.utils.data.Dataset[int]):
    """Rows of a split as examples; an example is a row number, and a batch of numbers becomes tensors at once."""

    def __init__(self, split: SplitData, rows: Array) -> None:
        self.split = split
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> int:
        return int(self._rows[place])

    def collate(self, rows: Indices[int]) -> dict[str, Any]:
        """Return `features`, `rows` and `targets` of a `Batch`: the keyword arguments of a step."""
        batch = self.split.batch(np.asarray(rows, dtype=np.int64))
        return {"features": batch.features, "rows": batch.rows, "targets": batch.targets}

    def batches(self, _batch_size: int, _seed: int) -> None:
        """Return None: rows are shuffled one by one."""
        return


def train_moments(data: str | Path, fitted: FittedSchema) -> Moments:
    """Return the train rows with a target in the catalogue; raise `DataError` if there are none."""
    split = SplitData(data, "train", fitted)
    rows = split.having_targets()
    if not len(rows):
        raise DataError(f"no train row of {data} has a known target: lower min_frequency of the item id")
    return Moments(split, rows)
