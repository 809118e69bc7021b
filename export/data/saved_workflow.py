"""Workflows that `preprocessing fit` saved, so that one which is torn or not whole gets one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.data.files import REMEDY
from export.errors import RepositoryError
from export.triton.model_files import first_line
from preprocessing.schema import Feature

if TYPE_CHECKING:
    import pandas as pd


def open_workflow(folder: Path) -> Any:
    """The workflow. Raises `RepositoryError` where it is none."""
    from preprocessing.workflow import load_workflow

    try:
        return load_workflow(folder)
    except Exception as error:  # of pickle, JSON, the file system, NVTabular
        raise RepositoryError(f"{folder}: no workflow can be loaded ({first_line(error)}): {REMEDY}") from None


def run_workflow(folder: Path, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Encode rows by the workflow. Raises `RepositoryError` where it is none, or lacks a vocabulary."""
    import pyarrow as pa

    from preprocessing.workflow import transform

    workflow = open_workflow(folder)
    try:
        return transform(workflow, features, frame)
    except (OSError, pa.ArrowException) as error:  # what it was fitted with is read when it runs
        raise RepositoryError(f"{folder}: cannot be run ({first_line(error)}): {REMEDY}") from None
