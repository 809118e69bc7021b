"""The one reader of the Parquet files of earlier stages: whole columns, or one line that names the file's fault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stage.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

_AGAIN = "run the stage that wrote it again"


class ParquetError(BadInput):
    """A file that an earlier stage should have written is missing, torn, or lacks a column."""


def read_columns(path: str | Path, columns: Sequence[str], remedy: str | None = None) -> pa.Table:
    """Read `columns` of one Parquet file, in the order asked for.

    Args:
        path: The file; folders above it named `key=value` add no columns.
        columns: Names of columns.
        remedy: What each refusal proposes; by default, to run the earlier stage again.

    Raises:
        ParquetError: The file is missing, is no whole Parquet file, or lacks a column.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for column in columns:
                if column not in file.schema_arrow.names:
                    raise ParquetError(
                        f"{path}: has no column {column!r}: {remedy}"
                        if remedy
                        else f"no column {column!r} in {path}: {_AGAIN}"
                    )
            return file.read(columns=list(columns)).select(list(columns))
    except FileNotFoundError:
        raise ParquetError(
            f"{path}: no such file: {remedy}"
            if remedy
            else f"no file {path}: give the output folder of `preprocessing fit`"
        ) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ParquetError(
            f"{path}: cannot be read as Parquet ({reason}): {remedy}"
            if remedy
            else f"{path}: cannot be read ({reason}), {_AGAIN}"
        ) from None
