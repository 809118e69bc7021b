"""The `sasrec` model: a causal transformer over the item history, whose output is scored with the item table.

    history [B, L] -> item vectors + positions -> blocks -> norm -> [B, L, D];   score = its last one · item vector

After Kang & McAuley 2018 (ICDM), "Self-attentive sequential recommendation".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from preprocessing.schema import PADDING_ID, FittedSchema
from stage.errors import BadInput
from training.families.sasrec.causal import Block
from training.families.sasrec.config import SasrecConfig
from training.layers.dropout import Dropout
from training.layers.items import ItemVectors


class SasrecError(BadInput):
    """The sizes do not fit together."""


class Sasrec(nn.Module):
    """Encode a history as one vector per position; the item table is tied: it reads the history and scores."""

    def __init__(self, fitted: FittedSchema, config: SasrecConfig) -> None:
        super().__init__()
        if config.dim % config.heads:
            raise SasrecError(f"--heads {config.heads} does not divide --dim {config.dim}: change one of them")
        self.max_length = config.max_length
        self.items = ItemVectors(fitted, config.dim)
        self.positions = nn.Parameter(torch.empty(config.max_length, config.dim).normal_(std=0.02))
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.dim, config.heads, config.dropout, config.block, config.expansion)
            for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.dim, eps=1e-8)

    def load_index(self, path: Path) -> None:
        """Fill the item features from the fit's `item_index.parquet`."""
        self.items.load_index(path)

    def catalogue(self) -> Tensor:
        """Return the vectors of all items, [I, D]; rows of special ids are not items."""
        return self.items.table()

    def encode(self, history: Tensor, table: Tensor) -> Tensor:
        """Return the vector of each history [B, L], [B, D]; the last block computes the newest position alone."""
        last = ((history != PADDING_ID).sum(dim=1) - 1).clamp(min=0)
        hidden = self._inputs(history, table)
        *first, final = self.blocks
        for block in first:
            hidden = block(hidden)
        vectors: Tensor = self.norm(final(hidden, last))[:, 0]
        return vectors

    def training_pairs(self, items: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors [N, D] at all positions with a next item, and these items [N], in one pass."""
        hidden = self._inputs(items[:, :-1], table)
        for block in self.blocks:
            hidden = block(hidden)
        following = items[:, 1:]
        real = following != PADDING_ID
        return self.norm(hidden[real]), following[real]

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        """Return the scores [B, I]; `features` has `history` [B, L]."""
        return self.encode(features["history"], catalogue) @ catalogue.T

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        return self.scores(features, self.catalogue())

    def _inputs(self, items: Tensor, table: Tensor) -> Tensor:
        """Return the inputs of the first block, [B, L, D]."""
        vectors: Tensor = self.dropout(table[items] * table.shape[1] ** 0.5 + self.positions[: items.shape[1]])
        return vectors
