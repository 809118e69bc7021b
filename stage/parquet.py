"""Reading Parquet files of earlier stages: whole columns, or one line that says what is wrong with the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stage.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetError(BadInput):
    """A file that an earlier stage should have written is missing, torn, or lacks a column."""


def read_columns(path: str | Path, columns: Sequence[str]) -> pa.Table:
    """Read `columns` of one Parquet file, in that order."""
    import pyarrow.parquet as pq

    with _one_line(path):
        _require(columns, pq.read_schema(path).names, path)
        return pq.read_table(path, columns=list(columns), partitioning=None)


def read_row_groups(path: str | Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield `columns` of one Parquet file, a row group at a time, in their order."""
    import pyarrow.parquet as pq

    with _one_line(path), pq.ParquetFile(path) as file:
        _require(columns, file.schema_arrow.names, path)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(columns))


def _require(columns: Sequence[str], names: Sequence[str], path: str | Path) -> None:
    for column in columns:
        if column not in names:
            raise ParquetError(f"no column {column!r} in {path}: run the stage that wrote it again")


@contextmanager
def _one_line(path: str | Path) -> Iterator[None]:
    """Raise `ParquetError` for what the file system or Arrow raise."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise ParquetError(f"no file {path}: give the output folder of `preprocessing fit`") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ParquetError(f"{path}: cannot be read ({reason}), run the stage that wrote it again") from None
