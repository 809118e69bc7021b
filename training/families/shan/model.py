"""The `shan` model: attention over the long-term items, then over its result and the short-term items.

    long-term items L, short-term items S (the newest `short`), query u, item vectors x_j

    h_j = relu(W1 x_j + b1)    alpha_j = softmax over L of u · h_j      u_long   = Σ_{j in L} alpha_j x_j       (1-3)
    g_j = relu(W2 x_j + b2)    beta_j  = softmax over S+ of u · g_j     u_hybrid = Σ_{j in S+} beta_j x_j       (4-6)
    S+  = S with u_long as one more item;   score of item v = u_hybrid · x_v                                      (7)

After Ying et al. 2018 (IJCAI), "Sequential recommender system based on hierarchical attention network", section 3.2.
There u is the embedding of the user; here it is the mean of the history or one learned vector, so that anyone is
served, unless `users` asks for the paper's. There S is the current session; here it is the newest items, so that a log
without sessions works.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from preprocessing.schema import PADDING_ID, FittedSchema
from stage.errors import BadInput
from training.families.shan.config import ShanConfig
from training.layers.items import INITIAL_STD, ItemVectors


class ShanError(BadInput):
    """The model reads user ids, but has none, or one that it does not know."""


class Shan(nn.Module):
    """Encode a history as one vector; the item table is tied: it reads the history and scores."""

    def __init__(self, fitted: FittedSchema, config: ShanConfig) -> None:
        super().__init__()
        self.max_length, self.short, self.query_kind = config.max_length, config.short, config.query
        self.items = ItemVectors(fitted, config.dim)
        self.long, self.hybrid = nn.Linear(config.dim, config.dim), nn.Linear(config.dim, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.users = nn.Embedding(config.users, config.dim) if config.users else None
        if config.users == 0 and config.query == "learned":
            self.query = nn.Parameter(torch.empty(config.dim).normal_(std=INITIAL_STD))

    def load_index(self, path: Path) -> None:
        """Fill the item features from the fit's `item_index.parquet`."""
        self.items.load_index(path)

    def catalogue(self) -> Tensor:
        """Return the vectors of all items, [I, D]; rows of special ids are not items."""
        return self.items.table()

    def encode(self, history: Tensor, table: Tensor, users: Tensor | None = None) -> Tensor:
        """Return the vector of each history [B, L], [B, D]; users: [B], their numbers, for a model that has `users`."""
        real = history != PADDING_ID
        count = real.sum(dim=1, keepdim=True)
        vectors = table[history]
        query = self._query((vectors * real.unsqueeze(-1)).sum(dim=1) / count.clamp(min=1), users)
        places = torch.arange(history.shape[1], device=history.device)
        of_long = (torch.relu(self.long(vectors)) @ query.unsqueeze(2)).squeeze(2)
        u_long = _softmax(of_long, places < count - self.short).unsqueeze(1) @ vectors
        newest = count - 1 - torch.arange(self.short, device=history.device)
        candidates = torch.cat([u_long, table[history.gather(1, newest.clamp(min=0))]], dim=1)
        logits = (torch.relu(self.hybrid(candidates)) @ query.unsqueeze(2)).squeeze(2)
        beta = _softmax(logits, torch.cat([count > self.short, newest >= 0], dim=1))
        return (beta.unsqueeze(1) @ candidates).squeeze(1)

    def training_pairs(self, items: Tensor, table: Tensor, users: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the vectors [N, D] at all positions with a next item, and these items [N], in one pass.

        Both layers attend to earlier positions: the first to those at least `short` old, the second to newer ones.
        """
        following = items[:, 1:]
        vectors = self.dropout(table[items[:, :-1]])
        places = torch.arange(vectors.shape[1], device=items.device)
        age = places.unsqueeze(1) - places
        query = self._query(vectors.cumsum(dim=1) / (places + 1).unsqueeze(1), users)
        u_long = _softmax(query @ torch.relu(self.long(vectors)).mT, age >= self.short) @ vectors
        of_long = (query * torch.relu(self.hybrid(u_long))).sum(dim=2, keepdim=True)
        logits = torch.cat([of_long, query @ torch.relu(self.hybrid(vectors)).mT], dim=2)
        is_short = (age >= 0) & (age < self.short)
        beta = _softmax(logits, torch.cat([(places >= self.short).unsqueeze(1), is_short], dim=1))
        u_hybrid = beta[:, :, :1] * u_long + beta[:, :, 1:] @ vectors
        real = following != PADDING_ID
        return u_hybrid[real], following[real]

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        """Return the scores [B, I]; `features` has `history` [B, L] and, for a model with users, `users` [B]."""
        return self.encode(features["history"], catalogue, features.get("users")) @ catalogue.T

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        return self.scores(features, self.catalogue())

    def _query(self, means: Tensor, users: Tensor | None) -> Tensor:
        """Return u where the history's means are `means`, [B, D] or [B, L, D]."""
        if self.users is not None:
            if users is None:
                raise ShanError("this shan model reads user ids and cannot be served: train it without --users")
            if int(users.max()) >= self.users.num_embeddings:
                raise ShanError(f"--users {self.users.num_embeddings} is below the number of users: raise it")
            own: Tensor = self.users(users)
            return own if means.dim() == 2 else own.unsqueeze(1).expand_as(means)
        return self.query.expand_as(means) if self.query_kind == "learned" else means


def _softmax(logits: Tensor, visible: Tensor) -> Tensor:
    """Return the softmax over the visible entries of the last dimension; if none is, equal finite weights."""
    return torch.softmax(logits.masked_fill(~visible, torch.finfo(logits.dtype).min), dim=-1)
