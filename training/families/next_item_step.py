"""The step of the next-item families: the loss at every real position of a batch of sequences."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from training.examples.sequence_file import Array
from training.families.next_item import NextItemModel, NextItemSettings
from training.losses.next_item import NextItemLoss
from training.step import TrainingStep


class NextItemStep(TrainingStep):
    """Return the loss of sequences [B, L]."""

    def __init__(self, model: NextItemModel, counts: Array, settings: NextItemSettings) -> None:
        """counts: [I], how often each item follows another in the training sequences."""
        super().__init__(cast(nn.Module, model))
        self.loss = NextItemLoss(settings, counts)

    def forward(self, items: Tensor) -> dict[str, Tensor]:
        model = cast(NextItemModel, self.model)
        table = model.catalogue()
        vectors, targets = model.training_pairs(items, table)
        return {"loss": self.loss(vectors, table, targets)}
