"""The step of the `shan` family: the loss of the next-item families, for a model that may read user ids."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from training.families.next_item_step import NextItemStep
from training.families.shan.model import Shan


class ShanStep(NextItemStep):
    """Return the loss of sequences [B, L] of the users [B]."""

    def forward(self, items: Tensor, users: Tensor | None = None) -> dict[str, Tensor]:
        model = cast(Shan, self.model)
        table = model.catalogue()
        vectors, targets = model.training_pairs(items, table, users)
        return {"loss": self.loss(vectors, table, targets)}
