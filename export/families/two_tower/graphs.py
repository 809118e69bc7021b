"""The served graphs of the towers, from encoded tensors to vectors of length 1. Non-finite numbers are null."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.data.nulls import Nulls
from export.families.two_tower.plan import RetrievalPlan
from export.graphs.layers import as_model_takes
from training.families.two_tower.model import ItemTower, UserTower


class UserTowerGraph(nn.Module):
    """Encode request features as user_vector [B, D]; the table of item vectors for its sequences is a constant."""

    def __init__(self, tower: UserTower, plan: RetrievalPlan, nulls: Nulls) -> None:
        super().__init__()
        self.tower = tower
        self._features, self._nulls = plan.schema.request_features, nulls
        with torch.no_grad():
            table = None if tower.items is None else tower.items.table().detach()
        self.register_buffer("table", table)

    def forward(self, *encoded: Tensor) -> Tensor:
        vectors: Tensor = self.tower(as_model_takes(self._features, self._nulls, encoded), self.table)
        return vectors


class ItemTowerGraph(nn.Module):
    """Encode the item id and item features as item_vector [N, D]."""

    def __init__(self, tower: ItemTower, plan: RetrievalPlan) -> None:
        super().__init__()
        self.tower = tower
        self._features = plan.item_features

    def forward(self, *encoded: Tensor) -> Tensor:
        vectors: Tensor = self.tower(as_model_takes(self._features, {}, encoded))
        return vectors
