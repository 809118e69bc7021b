"""The step of the `sine` family: the loss of the next-item families and the penalty on the prototypes."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from training.examples.sequence_file import Array
from training.families.next_item_step import NextItemStep
from training.families.sine.config import SineSettings
from training.families.sine.model import Sine


class SineStep(NextItemStep):
    """Return the loss of sequences [B, L]."""

    def __init__(self, model: Sine, counts: Array, settings: SineSettings) -> None:
        """counts: [I], how often each item follows another in the training sequences."""
        super().__init__(model, counts, settings)
        self._covariance = settings.covariance
        model.positions = settings.positions

    def forward(self, items: Tensor) -> dict[str, Tensor]:
        loss = super().forward(items)["loss"]
        return {"loss": loss + self._covariance * cast(Sine, self.model).penalty()}
