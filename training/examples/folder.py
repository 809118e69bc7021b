"""The checks of a data folder of `preprocessing fit`, without reading a row."""

from __future__ import annotations

from pathlib import Path

from stage.errors import BadInput

NEEDED = ("items.parquet", "item_index.parquet")
"""The files that every model folder copies from it."""


class DataError(BadInput):
    """The data folder lacks something that is needed."""


def week_files(data: str | Path, split: str) -> list[Path]:
    """Return the files of a split's encoded rows, in the order of the weeks; raise `DataError` if there are none."""
    files = sorted((Path(data) / split).glob("week=*/*.parquet"))
    if not files:
        raise DataError(f"no rows of {split} in {data}: give the output folder of `preprocessing fit`")
    return files


def require_data(data: str | Path, *splits: str) -> None:
    """Raise `DataError` if a split has no rows, or a file that a model folder copies is missing."""
    for split in splits:
        week_files(data, split)
    for name in NEEDED:
        if not (Path(data) / name).exists():
            raise DataError(f"no {name} in {data}: give the whole output folder of `preprocessing fit`")
