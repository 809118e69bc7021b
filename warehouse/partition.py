"""A partition as described in the manifest, and its batches of ids and vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from warehouse.errors import PartitionError, VectorError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Run:
    """The name of a partition (experiment and run), and the release that made its vectors."""

    experiment: str
    run: str
    release: str

    def __post_init__(self) -> None:
        for name in ("experiment", "run", "release"):
            if not getattr(self, name):
                raise PartitionError(f"the {name} is empty: give it a name")

    def __str__(self) -> str:
        return f"run {self.run!r} of experiment {self.experiment!r}"


@dataclass(frozen=True)
class Partition(Run):
    """A row of the manifest; `created_at` is UTC, `digest` does not depend on the order of ids and vectors."""

    kind: str
    created_at: datetime
    vectors: int
    width: int
    digest: str

    def __str__(self) -> str:
        return f"the {self.kind} vectors of {super().__str__()}"


@dataclass(frozen=True)
class Batch:
    """ids: B strings; matrix: [B, D] float32."""

    ids: list[str]
    matrix: np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class Tally:
    """Count rows and width of the batches, in any order, and their digest, the sum of the digests of rows."""

    what: str
    width: int | None = None
    vectors: int = 0
    _sum: int = field(default=0)

    @property
    def digest(self) -> str:
        return f"{self._sum:032x}"

    def batches(self, source: Iterable[pa.RecordBatch]) -> Iterator[Batch]:
        """Yield the checked batches of `source` (columns `id` and `vector`), at most `BATCH_ROWS` rows at a time."""
        for given in source:
            for start in range(0, given.num_rows, BATCH_ROWS):
                yield self._counted(given.slice(start, BATCH_ROWS))

    def _counted(self, given: pa.RecordBatch) -> Batch:
        batch = Batch(self._ids(given), self._matrix(given))
        for id_, row in zip(batch.ids, batch.matrix.astype("<f4", copy=False), strict=True):
            of_row = hashlib.blake2b(id_.encode() + b"\0" + row.tobytes(), digest_size=16).digest()
            self._sum = (self._sum + int.from_bytes(of_row, "little")) % 2**128
        self.vectors += len(batch.ids)
        return batch

    def _column(self, given: pa.RecordBatch, name: str) -> pa.Array:
        if name not in given.schema.names:
            raise VectorError(f"{self.what}: no column {name!r} in {given.schema.names}: give `id` and `vector`")
        column = given.column(name)
        if column.null_count:
            raise VectorError(f"{self.what}: {column.null_count} rows have no {name}, leave them out")
        return column

    def _ids(self, given: pa.RecordBatch) -> list[str]:
        import pyarrow as pa

        column = self._column(given, "id")
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise VectorError(f"{self.what}: ids are {column.type}, expected strings: cast them")
        ids: list[str] = column.to_pylist()
        if "" in ids or any("\0" in id_ for id_ in ids):
            raise VectorError(f"{self.what}: an id is empty or contains a zero byte, leave it out")
        return ids

    def _matrix(self, given: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.float32]]:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(given, "vector")
        of_lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        if not any(is_list(column.type) for is_list in of_lists) or not pa.types.is_floating(column.type.value_type):
            raise VectorError(f"{self.what}: vectors are {column.type}, expected lists of floats: cast them")
        widths = pc.unique(pc.list_value_length(column)).to_pylist()
        self.width = self.width if self.width is not None else next(iter(widths), None)
        for width in widths:
            if width != self.width or not width:
                raise VectorError(
                    f"{self.what}: a vector is {width} wide, expected {self.width}: give the vectors of one model"
                )
        with np.errstate(over="ignore"):
            matrix: np.ndarray[Any, np.dtype[np.float32]] = (
                column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), -1)
            )
        if not np.isfinite(matrix).all():
            raise VectorError(
                f"{self.what}: a vector contains NaN or infinity (as float32): correct the model's output"
            )
        return matrix
