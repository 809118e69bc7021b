"""Causal transformer blocks over sequences padded right, whose last block can compute the newest position alone.

A position reads itself and earlier positions; padding is on the right, so no real position reads it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.layers.dropout import Dropout

BlockKind = Literal["sasrec", "pre_norm", "ligr"]


class CausalAttention(nn.Module):
    """Multi-head causal attention, [B, L, D] -> [B, L, D] (Vaswani et al. 2017, NeurIPS, section 3.2)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, values: Tensor, last: Tensor | None = None) -> Tensor:
        """Return the attended values at each query, [B, Q, D].

        queries: [B, Q, D], Q = L, or 1 with `last`. values: [B, L, D]. last: [B], the position of the one query.
        """
        query = self._split(self.query(queries))
        key, value = (self._split(each) for each in self.key_value(values).chunk(2, dim=-1))
        if last is None:
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            places = torch.arange(values.shape[1], device=values.device)
            visible = (places <= last[:, None])[:, None, None, :]
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out

    def _split(self, vectors: Tensor) -> Tensor:
        """Return [B, heads, L, D / heads]."""
        batch, length, _ = vectors.shape
        return vectors.view(batch, length, self.heads, -1).transpose(1, 2)


class Block(nn.Module):
    """One block; `kind` chooses the order of norm and residual, and the gates.

    sasrec     attention of a normed query over values that are not normed, added to the normed query; a feed-forward
               layer on the normed sum, added to it (Kang & McAuley 2018, ICDM, section III-B, as in its published code)
    pre_norm   x + attention(norm(x)), then x + feed_forward(norm(x))
    ligr       pre_norm, each addend gated by sigmoid(linear(norm(x))) (Borisyuk et al. 2025, LiGR, arXiv 2502.03417, as
               in eSASRec, Tikhonovich et al. 2025, RecSys, arXiv 2508.06450)
    """

    def __init__(self, dim: int, heads: int, dropout: float, kind: BlockKind, expansion: int) -> None:
        super().__init__()
        self.kind = kind
        self.attention_norm, self.feed_norm = nn.LayerNorm(dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        self.attention = CausalAttention(dim, heads)
        self.feed = nn.Sequential(
            nn.Linear(dim, expansion * dim), nn.ReLU(), Dropout(dropout), nn.Linear(expansion * dim, dim)
        )
        self.dropout = Dropout(dropout)
        self.gates = nn.ModuleList([nn.Linear(dim, dim), nn.Linear(dim, dim)] if kind == "ligr" else [])

    def forward(self, inputs: Tensor, last: Tensor | None = None) -> Tensor:
        """Return the outputs at every position [B, L, D], or at position `last` [B] of each row, [B, 1, D]."""
        here = inputs if last is None else at(inputs, last)
        normed = self.attention_norm(here)
        if self.kind == "sasrec":
            attended = normed + self.dropout(self.attention(normed, inputs, last))
            normed = self.feed_norm(attended)
            out: Tensor = normed + self.dropout(self.feed(normed))
            return out
        values = normed if last is None else self.attention_norm(inputs)
        attended = here + self._gated(0, normed, self.dropout(self.attention(normed, values, last)))
        normed = self.feed_norm(attended)
        return attended + self._gated(1, normed, self.dropout(self.feed(normed)))

    def _gated(self, number: int, normed: Tensor, addend: Tensor) -> Tensor:
        return torch.sigmoid(self.gates[number](normed)) * addend if self.kind == "ligr" else addend


def at(vectors: Tensor, places: Tensor) -> Tensor:
    """Return the vector of each row of [B, L, D] at its position of [B], [B, 1, D]."""
    return vectors.gather(1, places[:, None, None].expand(-1, 1, vectors.shape[2]))
