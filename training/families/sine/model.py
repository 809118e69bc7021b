"""The `sine` model: the few active concepts of a history, an interest for each, and their mixture.

    history X [L, D], pool of prototypes C, its K active ones C_u, positions j, active concepts k

    z = softmax(tanh(X W1) w2)^T X;   s = C z;   C_u = C(top K of s) * sigmoid(s)            concept activation
    P(k|j) = softmax over k of LN1(x_j W3) · LN2(C_u,k)                                      intention assignment
    P(j|k) = softmax over j of tanh(x_j W_k,1) · w_k,2                                       attention weighting
    phi_k  = LN3(Σ_j P(k|j) P(j|k) x_j)                                                      interest embedding
    y_j = Σ_k P(k|j) C_u,k;   C_apt = LN4(Σ_j softmax over j of tanh(y_j W4) · w5  y_j)      the next intention
    v = Σ_k e_k phi_k,   e = softmax over k of C_apt · phi_k / temperature;   score of item i = v · x_i
    penalty = (‖M‖² - ‖diag M‖²) / 2,   M = (C - mean)(C - mean)^T / D                       in the loss

After Tan et al. 2021 (WSDM), "Sparse-interest network for sequential recommendation", sections 3.2 to 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preprocessing.schema import PADDING_ID, FittedSchema
from stage.errors import BadInput
from training.families.sine.coming import coming_logits, recomputed_coming_logits
from training.families.sine.config import SineConfig
from training.layers.items import INITIAL_STD, ItemVectors


class SineError(BadInput):
    """The sizes do not fit together."""


class Sine(nn.Module):
    """Encode a history as one vector; the item table is tied: it reads the history and scores."""

    def __init__(self, fitted: FittedSchema, config: SineConfig) -> None:
        super().__init__()
        if config.interests > config.prototypes:
            raise SineError(
                f"--interests {config.interests} is above --prototypes {config.prototypes}: change one of them"
            )
        dim, self.interests, self.temperature = config.dim, config.interests, config.temperature
        self.max_length = config.max_length
        self.positions = 0
        self.items = ItemVectors(fitted, dim)
        self.prototypes = nn.Parameter(torch.empty(config.prototypes, dim).normal_(std=INITIAL_STD))
        self.activation = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.Tanh(), nn.Linear(dim, 1, bias=False))
        self.assigned = nn.Linear(dim, dim, bias=False)
        self.weighting = nn.Linear(dim, config.interests * dim, bias=False)
        self.weighting_out = nn.Parameter(torch.empty(config.interests, dim).normal_(std=dim**-0.5))
        self.intention = nn.Linear(dim, dim, bias=False)
        self.intention_out = nn.Parameter(torch.empty(dim).normal_(std=dim**-0.5))
        self.item_norm, self.concept_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.interest_norm, self.next_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.recency = nn.Parameter(torch.zeros(2 + config.interests, config.max_length)) if config.recency else None
        self.dropout = nn.Dropout(config.dropout)

    def load_index(self, path: Path) -> None:
        """Fill the item features from the fit's `item_index.parquet`."""
        self.items.load_index(path)

    def catalogue(self) -> Tensor:
        """Return the vectors of all items, [I, D]; rows of special ids are not items."""
        return self.items.table()

    def encode(self, history: Tensor, table: Tensor) -> Tensor:
        """Return the vector of each history [B, L], [B, D]."""
        last = ((history != PADDING_ID).sum(dim=1, keepdim=True) - 1).clamp(min=0)
        return self._vectors(table[history], last)[:, 0]

    def training_pairs(self, items: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors [N, D] at positions with a next item, and these items [N], in one pass."""
        history, following = items[:, :-1], items[:, 1:]
        real = following != PADDING_ID
        places = torch.arange(history.shape[1], device=items.device).expand_as(history)
        if 0 < self.positions < history.shape[1]:
            chosen = torch.rand(history.shape, device=items.device).masked_fill(~real, -1.0)
            places = chosen.topk(self.positions, dim=1).indices
            following, real = following.gather(1, places), real.gather(1, places)
        vectors = self._vectors(self.dropout(table[history]), places)
        return vectors[real], following[real]

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        """Return the scores [B, I]; `features` has `history` [B, L]."""
        return self.encode(features["history"], catalogue) @ catalogue.T

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        return self.scores(features, self.catalogue())

    def penalty(self) -> Tensor:
        """Return the penalty on the covariance of the prototypes, a scalar."""
        centred = self.prototypes - self.prototypes.mean(dim=1, keepdim=True)
        covariance = centred @ centred.T / centred.shape[1]
        penalty: Tensor = (covariance.square().sum() - covariance.diagonal().square().sum()) / 2
        return penalty

    def _vectors(self, items: Tensor, last: Tensor) -> Tensor:
        """Return the vectors [B, T, D] of histories that end at the positions `last` [B, T] of `items` [B, L, D]."""
        batch, length, dim = items.shape
        ages = last.unsqueeze(2) - torch.arange(length, device=items.device)
        bias = self._bias(ages)
        pooled = torch.softmax(self.activation(items).mT + bias[0], dim=2) @ items
        active, chosen = (pooled @ self.prototypes.T).topk(self.interests, dim=2)
        strength = torch.sigmoid(active).unsqueeze(3)
        concepts = F.embedding(chosen, self.prototypes) * strength
        assignment = self.concept_norm(concepts).flatten(1, 2) @ self.item_norm(self.assigned(items)).mT
        assignment = torch.softmax(assignment.view(batch, -1, self.interests, length), dim=2)
        heads = torch.tanh(self.weighting(items)).view(batch, length, self.interests, dim)
        weights = (heads * self.weighting_out).sum(dim=3).mT.unsqueeze(1)
        weights = torch.softmax(weights + bias[2:].movedim(0, 2), dim=3) * assignment
        interests = self.interest_norm((weights.flatten(1, 2) @ items).view_as(concepts))
        logits = recomputed_coming_logits if self.training else coming_logits
        turned = F.embedding(chosen, self.intention(self.prototypes)) * strength
        coming = torch.softmax(logits(assignment, turned, self.intention_out) + bias[1], dim=2)
        intention = self.next_norm((assignment @ coming.unsqueeze(3)).mT @ concepts)
        mixture = torch.softmax(intention @ interests.mT / self.temperature, dim=3)
        vectors: Tensor = (mixture @ interests).squeeze(2)
        return vectors

    def _bias(self, ages: Tensor) -> Tensor:
        """Return what is added to the logits of attention, [2 + K, B, T, L]: the lowest number at later positions."""
        if self.recency is None:
            bias = torch.zeros(2 + self.interests, *ages.shape, device=ages.device)
        else:
            bias = self.recency[:, ages.clamp(min=0)]
        return bias.masked_fill(ages < 0, torch.finfo(bias.dtype).min)
