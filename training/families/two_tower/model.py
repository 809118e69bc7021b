"""The `two_tower` family: a tower over the request's features, one over the item's; their dot product is the score.

    request features -> UserTower -> [B, D]
    item features    -> ItemTower -> [N, D]        score = their dot product, a cosine: both are of length 1

Which features a tower takes is the schema's `side`. After Yi et al. 2019 (RecSys), "Sampling-bias-corrected neural
modeling for large corpus item recommendations".
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preprocessing.schema import FittedSchema, Sequence
from training.families.two_tower.config import TwoTowerConfig
from training.layers.features import Features, ScalarFeatures, SequenceFeatures
from training.layers.items import ItemIndex, ItemVectors


class UserTower(nn.Module):
    """Request features -> vectors of length 1, [B, D].

    Sequences are read with item vectors as wide as the schema's item id, made of the embeddings that the item tower is
    trained with; `items` is None where the schema has no sequence. Of a user of whom nothing is known, all is null.
    """

    def __init__(self, fitted: FittedSchema, config: TwoTowerConfig) -> None:
        super().__init__()
        # What repeats is a matter of scores, which a vector does not hold.
        features = tuple(
            feature.model_copy(update={"repeat": False}) if isinstance(feature, Sequence) else feature
            for feature in fitted.schema_.request_features
        )
        width = fitted.schema_.item_id.embedding_dim
        self.scalars = ScalarFeatures(features, fitted, config.dropout)
        self.sequences = SequenceFeatures(features, fitted.items, width, config.dropout)
        self.items = ItemVectors(fitted, width) if self.sequences.features else None
        self.dense = _dense(self.scalars.width + self.sequences.width, config)

    def forward(self, features: Features, table: Tensor | None = None) -> Tensor:
        """`table`: `self.items.table()`, where it has been computed already."""
        vectors = self.scalars(features)
        if self.items is not None:
            pooled, _, _ = self.sequences(features, self.items.table() if table is None else table)
            vectors = [*pooled, *vectors]
        return F.normalize(self.dense(torch.cat(vectors, dim=1)), dim=1)


class ItemTower(nn.Module):
    """The item id [N] and the encoded item features, as `ItemIndex.rows` gives them -> vectors of length 1, [N, D]."""

    def __init__(self, fitted: FittedSchema, config: TwoTowerConfig) -> None:
        super().__init__()
        self.features = (fitted.schema_.item_id, *fitted.schema_.item_features)
        self.scalars = ScalarFeatures(self.features, fitted, config.dropout)
        self.dense = _dense(self.scalars.width, config)

    def forward(self, features: Features) -> Tensor:
        return F.normalize(self.dense(torch.cat(self.scalars(features), dim=1)), dim=1)


class TwoTower(nn.Module):
    """Both towers and the index of item features: request features -> scores [B, I] of all items."""

    def __init__(self, fitted: FittedSchema, config: TwoTowerConfig) -> None:
        super().__init__()
        self.user = UserTower(fitted, config)
        self.item = ItemTower(fitted, config)
        self.index = ItemIndex(fitted)
        if self.user.items is not None:
            self.user.items.share(self.item.scalars.embeddings)
        self.dim = config.dim

    def load_index(self, path: Path) -> None:
        """Fill the item features from the fit's `item_index.parquet`."""
        self.index.load_index(path)
        if self.user.items is not None:
            self.user.items.load_index(path)

    def item_vectors(self, ids: Tensor) -> Tensor:
        """Vectors of the items `ids` [N] -> [N, D]."""
        return cast(Tensor, self.item(self.index.rows(ids)))

    def catalogue(self) -> Tensor:
        """Vectors of all items, [I, D]; rows of the special ids are no items."""
        device = next(self.item.parameters()).device
        return self.item_vectors(torch.arange(self.index.count, device=device))

    def scores(self, features: Features, catalogue: Tensor) -> Tensor:
        """Cosines [B, I] with the vectors that `catalogue` gave."""
        return cast(Tensor, self.user(features)) @ catalogue.T

    def forward(self, features: Features) -> Tensor:
        return self.scores(features, self.catalogue())


def _dense(width: int, config: TwoTowerConfig) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(config.dropout),
        nn.Linear(width, 2 * config.dim),
        nn.ReLU(),
        nn.Linear(2 * config.dim, config.dim),
    )
