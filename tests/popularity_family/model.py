"""The model of the family and its step."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from preprocessing.schema import FittedSchema
from training.families.family import FamilyConfig
from training.layers.items import read_index
from training.losses import softmax_cross_entropy
from training.step import TrainingStep


class Popularity(nn.Module):
    """Request features -> scores [B, I]: log of the purchases of each item, times one learned number."""

    log_purchases: Tensor

    def __init__(self, fitted: FittedSchema, _config: FamilyConfig) -> None:
        super().__init__()
        self.register_buffer("log_purchases", torch.zeros(fitted.items))
        self.power = nn.Parameter(torch.ones(()))

    def load_index(self, path: Path) -> None:
        purchases = read_index(path, ["purchases"], len(self.log_purchases))["purchases"].to_numpy()
        self.log_purchases.copy_(torch.from_numpy(np.log(np.maximum(purchases, 0.5))))

    def catalogue(self) -> Tensor:
        return self.power * self.log_purchases

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        return catalogue.expand(len(next(iter(features.values()))), -1)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        return self.scores(features, self.catalogue())


class PopularityStep(TrainingStep):
    def forward(self, features: dict[str, Tensor], rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        return {"loss": softmax_cross_entropy(self.model(features), rows, targets)}
