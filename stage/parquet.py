"""The only reader of Parquet files of earlier stages: whole columns, or one line that names the file's fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from stage.errors import BadInput
from stage.library_errors import Becomes, first_line, map_errors

if TYPE_CHECKING:
    import pyarrow as pa

FIT_AGAIN = "run `preprocessing fit` again or give its whole output folder"


class ParquetError(BadInput):
    """A file of an earlier stage is missing, damaged, or lacks a column."""


def read_columns(path: str | Path, columns: Sequence[str], remedy: str = FIT_AGAIN) -> pa.Table:
    """Read `columns` of one Parquet file, in the given order.

    Args:
        path: The file; folders above it named `key=value` add no columns.
        columns: Names of columns.
        remedy: The remedy in each refusal.

    Raises:
        ParquetError: The file is missing, is not a complete Parquet file, or lacks a column.

    """
    import pyarrow.parquet as pq

    with _one_line(path, remedy), pq.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path, remedy)
        return file.read(columns=list(columns)).select(list(columns))


def read_row_groups(path: str | Path, columns: Sequence[str], remedy: str = FIT_AGAIN) -> Iterator[pa.Table]:
    """Yield `columns` of one Parquet file in the given order, by row groups; raise as `read_columns` does."""
    import pyarrow.parquet as pq

    with _one_line(path, remedy), pq.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path, remedy)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(columns))


def read_metadata(path: str | Path, remedy: str = FIT_AGAIN) -> dict[bytes, bytes]:
    """Return the metadata of one Parquet file; raise as `read_columns` does."""
    import pyarrow.parquet as pq

    with _one_line(path, remedy):
        return dict(pq.read_schema(path).metadata or {})


def _require(columns: Sequence[str], names: Sequence[str], path: str | Path, remedy: str) -> None:
    for column in columns:
        if column not in names:
            raise ParquetError(f"{path}: has no column {column!r}: {remedy}")


def _one_line(path: str | Path, remedy: str) -> AbstractContextManager[None]:
    """Return a block that raises `ParquetError` for errors of the file system or Arrow."""
    import pyarrow as pa

    return map_errors(
        Becomes(FileNotFoundError, lambda _: ParquetError(f"{path}: no such file: {remedy}")),
        Becomes(
            (pa.ArrowException, OSError),
            lambda error: ParquetError(f"{path}: cannot be read as Parquet ({first_line(error)}): {remedy}"),
        ),
    )
