"""What the Trainer calls: a batch as `training.examples.moments.collate` makes it -> its loss; one module a family."""

from __future__ import annotations

from preprocessing.schema import FittedSchema
from training.examples.moments import DataError, SplitData
from training.families.family import Model
from training.families.offline_online.model import OfflineOnline
from training.families.offline_online.step import OfflineOnlineStep
from training.families.two_tower.step import TwoTowerStep
from training.settings import TrainingSettings, TwoTowerSettings
from training.step import TrainingStep

__all__ = ["OfflineOnlineStep", "TrainingStep", "TwoTowerStep", "new_step"]


def new_step(model: Model, train: SplitData, fitted: FittedSchema, settings: TrainingSettings) -> TrainingStep:
    """The step of the model's family."""
    if isinstance(model, OfflineOnline):
        return OfflineOnlineStep(model, fitted.schema_.exclude)
    if not isinstance(settings, TwoTowerSettings):
        raise DataError(f"two towers are trained with TwoTowerSettings, seen {type(settings).__name__}: give those")
    return TwoTowerStep(model, train.target_counts(fitted.items), settings)
