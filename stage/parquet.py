"""The one reader of the Parquet files of earlier stages: whole columns, or one line that names the file's fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stage.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

FIT_AGAIN = "run `preprocessing fit` again or give its whole output folder"


class ParquetError(BadInput):
    """A file that an earlier stage should have written is missing, torn, or lacks a column."""


def read_columns(path: str | Path, columns: Sequence[str], remedy: str = FIT_AGAIN) -> pa.Table:
    """Read `columns` of one Parquet file, in the order asked for.

    Args:
        path: The file; folders above it named `key=value` add no columns.
        columns: Names of columns.
        remedy: What each refusal proposes.

    Raises:
        ParquetError: The file is missing, is no whole Parquet file, or lacks a column.

    """
    import pyarrow.parquet as pq

    with _one_line(path, remedy), pq.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path, remedy)
        return file.read(columns=list(columns)).select(list(columns))


def read_row_groups(path: str | Path, columns: Sequence[str], remedy: str = FIT_AGAIN) -> Iterator[pa.Table]:
    """Yield `columns` of one Parquet file, a row group at a time, in their order; raise as `read_columns` does."""
    import pyarrow.parquet as pq

    with _one_line(path, remedy), pq.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path, remedy)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(columns))


def _require(columns: Sequence[str], names: Sequence[str], path: str | Path, remedy: str) -> None:
    for column in columns:
        if column not in names:
            raise ParquetError(f"{path}: has no column {column!r}: {remedy}")


@contextmanager
def _one_line(path: str | Path, remedy: str) -> Iterator[None]:
    """Raise `ParquetError` for what the file system or Arrow raise."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise ParquetError(f"{path}: no such file: {remedy}") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ParquetError(f"{path}: cannot be read as Parquet ({reason}): {remedy}") from None
