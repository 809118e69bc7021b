"""What the Trainer calls: a batch as `training.data.collate` makes it -> its loss; one module a family."""

from __future__ import annotations

from preprocessing.schema import FittedSchema
from training.data import DataError, SplitData
from training.models.families import Model
from training.models.offline_online import OfflineOnline
from training.settings import TrainingSettings, TwoTowerSettings
from training.steps.offline_online import OfflineOnlineStep
from training.steps.step import TrainingStep
from training.steps.two_tower import TwoTowerStep

__all__ = ["OfflineOnlineStep", "TrainingStep", "TwoTowerStep", "new_step"]


def new_step(model: Model, train: SplitData, fitted: FittedSchema, settings: TrainingSettings) -> TrainingStep:
    """The step of the model's family."""
    if isinstance(model, OfflineOnline):
        return OfflineOnlineStep(model, fitted.schema_.exclude)
    if not isinstance(settings, TwoTowerSettings):
        raise DataError(f"two towers are trained with TwoTowerSettings, seen {type(settings).__name__}: give those")
    return TwoTowerStep(model, train.target_counts(fitted.items), settings)
