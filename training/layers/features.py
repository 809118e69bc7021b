"""Embeddings of the features of one stage of the schema."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preprocessing.schema import Feature, FittedSchema, Sequence
from training.layers.encoders import INVISIBLE, SequenceEncoder, ages
from training.layers.items import INITIAL_STD

Features = Mapping[str, Tensor]


class ScalarFeatures(nn.Module):
    """Embed all features of a stage except sequences as one vector per row, [B, `width`].

    It takes ids [B] int64 (categorical, bucketed), numbers [B] float32, words [B, W] int64, vectors [B, dim] float32.
    """

    def __init__(self, features: tuple[Feature, ...], fitted: FittedSchema, dropout: float) -> None:
        super().__init__()
        self.features = tuple(feature for feature in features if not isinstance(feature, Sequence))
        self.embeddings = nn.ModuleDict()
        self.encoders = nn.ModuleDict()
        self.width = 0
        for feature in self.features:
            self.width += feature.width
            if feature.embedding:
                embedding = nn.Embedding(fitted.cardinality(feature.name), feature.embedding)
                nn.init.normal_(embedding.weight, std=INITIAL_STD)
                self.embeddings[feature.name] = embedding
            if feature.pooling:
                self.encoders[feature.name] = SequenceEncoder(
                    feature.pooling, feature.width, feature.encoded.length, dropout
                )

    def forward(self, features: Features) -> list[Tensor]:
        """Return the feature vectors, each [B, w], in the order of the schema; empty if there is no such feature."""
        vectors = []
        for feature in self.features:
            value = features[feature.name]
            if feature.name in self.embeddings:
                embedded = self.embeddings[feature.name](value)
                if feature.name in self.encoders:
                    _, embedded = self.encoders[feature.name](embedded, value != 0)
                vectors.append(embedded)
            else:
                vectors.append(value if value.dim() == 2 else value.unsqueeze(1))
        return vectors


class SequenceFeatures(nn.Module):
    """Encode the item sequences of a stage as pooled vectors, with repeat logits for those with `repeat`.

    A repeat logit scores that the user takes this item again. It is the sum of a learned logit of the position's
    age, one of the item, and one computed from the hidden vector (after RepeatNet, Ren et al. 2019, section 3.4;
    positions of equal items add up, which corresponds to the frequency of TIFU-kNN).
    """

    def __init__(self, features: tuple[Feature, ...], items: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.features = tuple(feature for feature in features if isinstance(feature, Sequence))
        self.width = dim * len(self.features)
        self.encoders = nn.ModuleDict()
        self.repeats = nn.ModuleDict()
        for feature in self.features:
            self.encoders[feature.name] = SequenceEncoder(feature.encoder, dim, feature.max_length, dropout)
            if feature.repeat:
                self.repeats[feature.name] = RepeatHead(items, dim, feature.max_length)

    def forward(self, features: Features, table: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return pooled vectors [B, D] of all sequences; ids [B, L] and repeat logits [B, L] of those that repeat."""
        pooled, ids, logits = [], [], []
        for feature in self.features:
            sequence = features[feature.name]
            mask = sequence != 0
            hidden, vector = self.encoders[feature.name](F.embedding(sequence, table), mask)
            pooled.append(vector)
            if feature.name in self.repeats:
                ids.append(sequence)
                logits.append(self.repeats[feature.name](sequence, hidden, mask))
        return pooled, ids, logits


class RepeatHead(nn.Module):
    """Return the repeat logits of one sequence, [B, L]; padding gets a logit whose exp is zero."""

    def __init__(self, items: int, dim: int, max_length: int) -> None:
        super().__init__()
        self.age = nn.Parameter(torch.zeros(max_length))
        self.item = nn.Embedding(items, 1)
        self.hidden = nn.Linear(dim, 1)
        nn.init.zeros_(self.item.weight)

    def forward(self, sequence: Tensor, hidden: Tensor, mask: Tensor) -> Tensor:
        logits = self.age[ages(mask)] + self.item(sequence).squeeze(-1) + self.hidden(hidden).squeeze(-1)
        masked: Tensor = logits.masked_fill(~mask, INVISIBLE)
        return masked
