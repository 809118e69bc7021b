"""A workflow that `preprocessing fit` saved, opened once; one that is torn or not whole gets one line."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.data.golden import Arrays, Row, workflow_frame
from export.errors import FIT_AGAIN, RepositoryError, first_line
from export.triton.tensors import ENCODED, encoded_tensor
from preprocessing.schema import Feature, Pretrained, Sequence, Text

if TYPE_CHECKING:
    import pandas as pd


class SavedWorkflow:
    """What `nvtabular.Workflow.save` wrote into `folder`.

    Every method raises `RepositoryError` where it is none, or lacks a vocabulary.
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
        """The workflow itself."""
        from preprocessing.workflow import load_workflow

        try:
            return load_workflow(self.folder)
        except Exception as error:  # of pickle, JSON, the file system, NVTabular
            raise RepositoryError(
                f"{self.folder}: no workflow can be loaded ({first_line(error)}): {FIT_AGAIN}"
            ) from None

    def transform(self, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
        """Encode raw rows, see `preprocessing.workflow.transform`."""
        import pyarrow as pa

        from preprocessing.workflow import transform

        try:
            return transform(self.opened, features, frame)
        except (OSError, pa.ArrowException) as error:  # what it was fitted with is read when it runs
            raise RepositoryError(f"{self.folder}: cannot be run ({first_line(error)}): {FIT_AGAIN}") from None

    def encode(self, features: tuple[Feature, ...], rows: list[Row]) -> Arrays:
        """Encode requests as the training rows were encoded: `NAME.encoded` tensors.

        Sequences are padded to the longest of the rows, at most `max_length`.
        """
        encoded = self.transform(features, workflow_frame(features, rows))
        return {feature.name + ENCODED: _tensor(feature, rows, list(encoded[feature.name])) for feature in features}


def _tensor(feature: Feature, rows: list[Row], values: list[Any]) -> Any:
    import numpy as np

    if isinstance(feature, Pretrained):
        return np.array(values, dtype=np.float32).reshape(-1, feature.dim)
    if isinstance(feature, Sequence | Text):
        width = feature.max_length
        if isinstance(feature, Sequence):
            width = max(1, min(width, max(len(row[feature.name] or []) for row in rows)))
        out = np.zeros((len(values), width), dtype=np.int64)
        for place, ids in enumerate(values):
            out[place, : len(ids)] = ids
        return out
    return np.array(values, dtype=np.int64 if encoded_tensor(feature).dtype == "int64" else np.float32)[:, None]
