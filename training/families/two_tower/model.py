"""The `two_tower` model: a tower for the request's features and one for the item's; their dot product is the score.

    request features -> UserTower -> [B, D]
    item features    -> ItemTower -> [N, D]        score = their dot product, a cosine: both are of length 1

The schema's `side` decides which features a tower reads. After Yi et al. 2019 (RecSys), "Sampling-bias-corrected neural
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
    """Encode request features as vectors of length 1, [B, D].

    Sequences are read with item vectors as wide as the schema's item id, made of the embeddings with which the item
    tower is trained; `items` is None if the schema has no sequence. All features of an unknown user are null.
    """

    def __init__(self, fitted: FittedSchema, config: TwoTowerConfig) -> None:
        super().__init__()
        # Repeats are part of scores, which a vector cannot represent.
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
        """`table`: `self.items.table()`, if it has been computed already."""
        vectors = self.scalars(features)
        if self.items is not None:
            pooled, _, _ = self.sequences(features, self.items.table() if table is None else table)
            vectors = [*pooled, *vectors]
        return F.normalize(self.dense(torch.cat(vectors, dim=1)), dim=1)


class ItemTower(nn.Module):
    """Encode the item id [N] and item features of `ItemIndex.rows` as vectors of length 1, [N, D]."""

    def __init__(self, fitted: FittedSchema, config: TwoTowerConfig) -> None:
        super().__init__()
        self.features = (fitted.schema_.item_id, *fitted.schema_.item_features)
        self.scalars = ScalarFeatures(self.features, fitted, config.dropout)
        self.dense = _dense(self.scalars.width, config)

    def forward(self, features: Features) -> Tensor:
        return F.normalize(self.dense(torch.cat(self.scalars(features), dim=1)), dim=1)


class TwoTower(nn.Module):
    """Both towers and the index of item features, from request features to scores [B, I] of all items."""

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
        """Return the vectors of the items `ids` [N], [N, D]."""
        return cast(Tensor, self.item(self.index.rows(ids)))

    def catalogue(self) -> Tensor:
        """Return the vectors of all items, [I, D]; rows of special ids are not items."""
        device = next(self.item.parameters()).device
        return self.item_vectors(torch.arange(self.index.count, device=device))

    def scores(self, features: Features, catalogue: Tensor) -> Tensor:
        """Return cosines [B, I] with the vectors of `catalogue`."""
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
