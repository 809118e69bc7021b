"""The workflow that `preprocessing fit` saved, opened once; a damaged or incomplete one gives one line."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.data.golden import Arrays, Row, workflow_frame
from export.errors import RepositoryError
from export.triton.tensors import ENCODED
from preprocessing.ragged import pad_lists
from preprocessing.schema import Feature
from stage.library_errors import Becomes, first_line, map_errors
from stage.parquet import FIT_AGAIN

if TYPE_CHECKING:
    import pandas as pd


class SavedWorkflow:
    """The workflow that `nvtabular.Workflow.save` wrote into `folder`.

    Every method raises `RepositoryError` if the folder has no workflow, or lacks a vocabulary.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_requests(cls, data: Path) -> SavedWorkflow:
        """Return the workflow of the request features in the output folder of `preprocessing fit`."""
        folder = data / "workflow"
        if not (folder / "workflow.pkl").is_file():
            raise RepositoryError(f"no saved workflow in {folder}: give the output folder of `preprocessing fit`")
        return cls(folder)

    @cached_property
    def opened(self) -> Any:
        """The NVTabular workflow."""
        from preprocessing.workflow import load_workflow

        with self._refused("no workflow can be loaded", Exception):  # errors of pickle, JSON, files, NVTabular
            return load_workflow(self.folder)

    def transform(self, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
        """Encode raw rows, see `preprocessing.workflow.transform`."""
        import pyarrow as pa

        from preprocessing.workflow import transform

        with self._refused("cannot be run", OSError, pa.ArrowException):  # the vocabularies are read when it runs
            return transform(self.opened, features, frame)

    def _refused(self, fault: str, *raised: type[Exception]) -> AbstractContextManager[None]:
        return map_errors(
            Becomes(raised, lambda error: RepositoryError(f"{self.folder}: {fault} ({first_line(error)}): {FIT_AGAIN}"))
        )

    def encode(self, features: tuple[Feature, ...], rows: list[Row]) -> Arrays:
        """Encode requests like the training rows, as `NAME.encoded` tensors.

        Sequences are padded to the longest of the rows, at most `max_length`.
        """
        encoded = self.transform(features, workflow_frame(features, rows))
        return {feature.name + ENCODED: _tensor(feature, rows, list(encoded[feature.name])) for feature in features}


def _tensor(feature: Feature, rows: list[Row], values: list[Any]) -> Any:
    """Return the values of one feature, [N, ...]; an open length is that of the longest list."""
    import numpy as np

    layout = feature.encoded
    if layout.form == "list":
        width = layout.dims[0]
        if width == -1:
            width = max(1, min(layout.length, max(len(row[feature.name] or []) for row in rows)))
        return pad_lists(values, width)
    return np.array(values, dtype=np.dtype(layout.dtype)).reshape(len(values), *layout.dims)
