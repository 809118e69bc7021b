"""What models are trained on, as a family's `examples` takes it; nothing here imports torch until it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from preprocessing.schema import FittedSchema

if TYPE_CHECKING:
    from training.examples.moments import Moments
    from training.settings import TrainingSettings


def read_moments(data: Path, fitted: FittedSchema, _settings: TrainingSettings) -> Moments:
    """Return the train rows of `data`, each a moment of prediction; raise `DataError` where none has a known target."""
    from training.examples.moments import train_moments

    return train_moments(data, fitted)
