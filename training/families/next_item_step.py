"""The step of the next-item families: the loss at every real position of a batch of sequences."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema
from training.families.next_item import NextItemModel, NextItemSettings
from training.step import TrainingStep


class NextItemStep(TrainingStep):
    """Return the loss of sequences [B, L]."""

    def __init__(self, model: NextItemModel, _fitted: FittedSchema, settings: NextItemSettings) -> None:
        super().__init__(cast(nn.Module, model))
        self._settings = settings

    def forward(self, items: Tensor) -> dict[str, Tensor]:
        model = cast(NextItemModel, self.model)
        table = model.catalogue()
        return {"loss": self.loss(*model.training_pairs(items, table), table)}

    def loss(self, vectors: Tensor, targets: Tensor, table: Tensor) -> Tensor:
        """Return the mean loss of the vectors [N, D] of histories and the items [N] that followed, a scalar."""
        logits = vectors @ table[FIRST_KNOWN_ID:].T
        return F.cross_entropy(logits, targets - FIRST_KNOWN_ID)
