"""NVTabular's own executor on recorded requests, with which the compiled workflow is compared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.data.golden import Row


def interpreter_calls(data: Path, rows: list[Row], size: int) -> list[Callable[[], Any]]:
    """Return calls of the workflow saved in `data` on `size` rows each, with prepared frames.

    Categorify fails on a column that is all null, as in a single row, so a null takes the value of another row.
    """
    from export.data.golden import workflow_frame
    from preprocessing.schema import read_fitted
    from preprocessing.workflow import load_workflow, to_workflow_columns

    features = read_fitted(data).schema_.request_features
    workflow = load_workflow(data / "workflow")
    known: Row = {}
    for row in rows:
        known = {name: known.get(name) or value for name, value in row.items()}
    whole = [{name: value or known[name] for name, value in row.items()} for row in rows]
    batches = [whole[place : place + size] for place in range(0, len(whole) - size + 1, size)]
    frames = [to_workflow_columns(features, workflow_frame(features, batch)) for batch in batches]
    return [partial(workflow.transform, frame) for frame in frames]
