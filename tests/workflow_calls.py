"""What an export asks of NVTabular, counted."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from export.data.golden import golden_rows, workflow_frame
from preprocessing.schema import read_fitted
from preprocessing.workflow import load_workflow, transform


class Calls:
    """How often a saved workflow is loaded, and how often it encodes the golden rows."""

    def __init__(self, data: Path, patch: pytest.MonkeyPatch) -> None:
        self.loaded = self.golden = 0
        features = read_fitted(data).schema_.request_features
        rows = workflow_frame(features, golden_rows(data, read_fitted(data)))

        def load(folder: Any) -> Any:
            self.loaded += 1
            return load_workflow(folder)

        def encode(workflow: Any, of: Any, frame: pd.DataFrame) -> pd.DataFrame:
            self.golden += frame.equals(rows)
            return transform(workflow, of, frame)

        patch.setattr("preprocessing.workflow.load_workflow", load)
        patch.setattr("preprocessing.workflow.transform", encode)
