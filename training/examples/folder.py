"""The checks of a data folder of `preprocessing fit`, without reading a row."""

from __future__ import annotations

from pathlib import Path

from preprocessing.schema import FittedSchema
from stage.errors import BadInput

NEEDED = ("items.parquet", "item_index.parquet", "popular.parquet")
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
            raise DataError(
                f"no {name} in {data}: give the whole output folder of `preprocessing fit`; if an earlier version "
                "wrote it, run the fit again"
            )


def require_request(fitted: FittedSchema, family: str) -> None:
    """Raise `DataError` if a request of this schema has no features, which the model of `family` would read."""
    if not fitted.schema_.request_features:
        raise DataError(
            f"schema {fitted.schema_.name} has no feature of the user or the context, and {family} reads these: add "
            "one to the schema, or train a --family that reads histories alone"
        )
