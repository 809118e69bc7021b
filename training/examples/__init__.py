"""The kinds of training examples for a family's `examples`; nothing here imports torch until it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema

if TYPE_CHECKING:
    from training.examples.moments import Moments, SplitData
    from training.settings import TrainingSettings


def read_moments(data: Path, fitted: FittedSchema, _config: object, _settings: TrainingSettings) -> Moments:
    """Return the train rows of `data`, each a moment of prediction; raise `DataError` if none has a known target."""
    from training.examples.moments import train_moments

    return train_moments(data, fitted)


def rows_of_moments(data: Path, split: str, fitted: FittedSchema, _config: object) -> SplitData:
    """Return the moments of a split with the features of a request; raise `DataError` if there are none."""
    from training.examples.moments import SplitData

    return SplitData(data, split, fitted)
