"""The step of the `offline_online` family: the exact softmax over the whole catalogue."""

from __future__ import annotations

from torch import Tensor

from training.families.offline_online.model import OfflineOnline
from training.losses import softmax_cross_entropy
from training.step import TrainingStep


class OfflineOnlineStep(TrainingStep):
    """Return the loss of a batch; items of the sequences `exclude` cannot be answers."""

    model: OfflineOnline

    def __init__(self, model: OfflineOnline, exclude: tuple[str, ...]) -> None:
        super().__init__(model)
        self._exclude = exclude

    def forward(self, features: dict[str, Tensor], rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        excluded = [features[name] for name in self._exclude]
        parts = self.model.parts(features)
        repeats = parts.repeat_items, parts.repeat_logits
        return {"loss": softmax_cross_entropy(parts.scores, rows, targets, excluded, repeats)}
