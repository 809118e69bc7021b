"""The `offline_online` model: offline features are encoded once, before the request; the request adds online features.

    offline features -> OfflineEncoder -> OfflineState -> OnlineRanker -> scores of all items
                                          online features -^

The whole model is the composition of both, so whole and parts give the same bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from preprocessing.schema import Feature, FittedSchema, Schema, Sequence
from training.families.offline_online.config import OfflineOnlineConfig
from training.layers.features import Features, ScalarFeatures, SequenceFeatures
from training.layers.items import ItemEmbedding


class OfflineState(NamedTuple):
    """The offline side's output for the ranker; R is 0 if no offline sequence repeats."""

    user_embedding: Tensor  # [B, D] float32
    repeat_items: Tensor  # [B, R] int64
    repeat_logits: Tensor  # [B, R] float32


class RankerQuery(NamedTuple):
    """The request's part of an item's score."""

    query: Tensor  # [B, D] float32
    repeat_items: Tensor  # [B, R'] int64, offline and online together
    repeat_logits: Tensor  # [B, R'] float32, gated


class RankerParts(NamedTuple):
    """A ranking before its repeat term is expanded to the catalogue (enough for the loss, see `losses`)."""

    scores: Tensor  # [B, I] float32
    repeat_items: Tensor  # as of RankerQuery
    repeat_logits: Tensor


class OfflineEncoder(nn.Module):
    """Encode offline features as OfflineState; without offline features the user embedding is zeros."""

    def __init__(self, fitted: FittedSchema, config: OfflineOnlineConfig, items: ItemEmbedding | None = None) -> None:
        super().__init__()
        self.items = items or ItemEmbedding(fitted, config.dim)
        features = fitted.schema_.stage("offline")
        self.scalars = ScalarFeatures(features, fitted, config.dropout)
        self.sequences = SequenceFeatures(features, fitted.items, config.dim, config.dropout)
        self.combine = _mlp(self.scalars.width + self.sequences.width, config) if features else None

    def forward(self, features: Features, table: Tensor | None = None) -> OfflineState:
        """Encode a batch; `features` may contain other features too, and determines the number of rows."""
        table = self.items.table() if table is None else table
        if self.combine is None:
            return empty_state(next(iter(features.values())), table)
        pooled, ids, logits = self.sequences(features, table)
        user = self.combine(torch.cat([*pooled, *self.scalars(features)], dim=1))
        if not ids:
            return state_without_repeats(user)
        return OfflineState(user, torch.cat(ids, dim=1), torch.cat(logits, dim=1))


class OnlineRanker(nn.Module):
    """Compute scores [B, I] of all items from OfflineState and online features.

    query = u + Σ W·pooled + MLP(u, pooled, online scalars)
    score_i = query·E_i + b_i + log(1 + Σ_{j: id_j = i} e^{r_j + g})

    with the repeat logits r_j and a gate g that depends on the context.
    """

    def __init__(self, fitted: FittedSchema, config: OfflineOnlineConfig, items: ItemEmbedding | None = None) -> None:
        super().__init__()
        self.items = items or ItemEmbedding(fitted, config.dim)
        features = fitted.schema_.stage("online")
        self.scalars = ScalarFeatures(features, fitted, config.dropout)
        self.sequences = SequenceFeatures(features, fitted.items, config.dim, config.dropout)
        width = config.dim + self.scalars.width + self.sequences.width
        self.combine = _mlp(width, config)
        self.pooled = nn.ModuleDict({f.name: nn.Linear(config.dim, config.dim) for f in self.sequences.features})
        self.gate = nn.Linear(width, 1)

    def query(self, state: OfflineState, features: Features, table: Tensor) -> RankerQuery:
        pooled, ids, logits = self.sequences(features, table)
        known = torch.cat([state.user_embedding, *pooled, *self.scalars(features)], dim=1)
        query = state.user_embedding + self.combine(known)
        for feature, vector in zip(self.sequences.features, pooled, strict=True):
            query = query + self.pooled[feature.name](vector)
        repeat_items = torch.cat([state.repeat_items, *ids], dim=1) if ids else state.repeat_items
        repeat_logits = torch.cat([state.repeat_logits, *logits], dim=1) if logits else state.repeat_logits
        return RankerQuery(query, repeat_items, repeat_logits + self.gate(known))

    def parts(self, state: OfflineState, features: Features, table: Tensor | None = None) -> RankerParts:
        table = self.items.table() if table is None else table
        query, repeat_items, repeat_logits = self.query(state, features, table)
        return RankerParts(query @ table.T + self.items.bias, repeat_items, repeat_logits)

    def forward(self, state: OfflineState, features: Features, table: Tensor | None = None) -> Tensor:
        return spread_repeats(self.parts(state, features, table))


class OfflineOnline(nn.Module):
    """The whole model, from request features to scores [B, I]. Sequences are right-padded with 0, the newest last."""

    def __init__(self, fitted: FittedSchema, config: OfflineOnlineConfig) -> None:
        super().__init__()
        self.items = ItemEmbedding(fitted, config.dim)
        self.offline = OfflineEncoder(fitted, config, self.items)
        self.online = OnlineRanker(fitted, config, self.items)

    def load_index(self, path: Path) -> None:
        """Fill the item features and the initial biases from the fit's `item_index.parquet`."""
        self.items.load_index(path)

    def catalogue(self) -> Tensor:
        """Return the item table, [I, D]."""
        return self.items.table()

    def scores(self, features: Features, catalogue: Tensor) -> Tensor:
        """Return scores [B, I] with the table of `catalogue`."""
        return cast(Tensor, self.online(self.offline(features, catalogue), features, catalogue))

    def parts(self, features: Features) -> RankerParts:
        table = self.items.table()
        return self.online.parts(self.offline(features, table), features, table)

    def forward(self, features: Features) -> Tensor:
        return spread_repeats(self.parts(features))


def empty_state(rows: Tensor, table: Tensor) -> OfflineState:
    """Return the state of a schema without offline features: zeros for as many rows as `rows` [B, ...] has."""
    return state_without_repeats(table.new_zeros(rows.shape[0], table.shape[1]))


def state_without_repeats(user: Tensor) -> OfflineState:
    """Return the state of a user embedding [B, D] if no offline sequence repeats."""
    nothing = user.new_zeros(user.shape[0], 0)
    return OfflineState(user, nothing.long(), nothing)


def spread_repeats(parts: RankerParts) -> Tensor:
    """Add the repeat term to the scores: log(1 + the sum of e^logit over the item's positions), [B, I]."""
    if parts.repeat_items.shape[1] == 0:
        return parts.scores
    weight = torch.zeros_like(parts.scores)
    weight = weight.scatter_add(1, parts.repeat_items, torch.exp(parts.repeat_logits))
    return parts.scores + torch.log1p(weight)


def has_repeats(features: tuple[Feature, ...]) -> bool:
    """Return whether any of these features has repeat logits."""
    return any(isinstance(feature, Sequence) and feature.repeat for feature in features)


def ranker_features(schema: Schema) -> tuple[Feature, ...]:
    """Return the request features that the ranker reads: the online ones, and excluded sequences of any stage."""
    online = schema.stage("online")
    excluded = tuple(f for f in schema.stage("offline") if f.name in schema.exclude)
    return online + excluded


def _mlp(width: int, config: OfflineOnlineConfig) -> nn.Module:
    return cast(
        nn.Module,
        nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.dim),
        ),
    )
