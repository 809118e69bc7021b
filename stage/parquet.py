"""The reader of Parquet files of earlier stages: whole columns, or one line that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stage.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetError(BadInput):
    """A file of an earlier stage is missing, damaged, or lacks a column."""


def read_columns(path: str | Path, columns: Sequence[str]) -> pa.Table:
    """Read `columns` of one Parquet file, in that order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        for column in columns:
            if column not in names:
                raise ParquetError(f"no column {column!r} in {path}: run the stage that wrote it again")
        return pq.read_table(path, columns=list(columns), partitioning=None)
    except FileNotFoundError:
        raise ParquetError(f"no file {path}: give the output folder of `preprocessing fit`") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ParquetError(f"{path}: cannot be read ({reason}), run the stage that wrote it again") from None
