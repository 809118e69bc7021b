"""Parquet files of `preprocessing fit`, read so that one which is missing, torn or of another fit gets one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from export.errors import RepositoryError

if TYPE_CHECKING:
    import pyarrow as pa

REMEDY = "run `preprocessing fit` again or give its whole output folder"


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a file, in the order asked for. Raises `RepositoryError` naming the file, and the column it lacks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for column in columns:
                if column not in file.schema_arrow.names:
                    raise RepositoryError(f"{path}: has no column {column!r}: {REMEDY}")
            return file.read(columns=list(columns)).select(list(columns))
    except FileNotFoundError:
        raise RepositoryError(f"{path}: no such file: {REMEDY}") from None
    except (pa.ArrowException, OSError) as error:
        raise RepositoryError(f"{path}: cannot be read as Parquet ({error}): {REMEDY}") from None
