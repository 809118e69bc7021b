"""Negatives drawn from the catalogue: either one set for the whole batch or a list for each position."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from preprocessing.schema import FIRST_KNOWN_ID
from training.examples.moments import Array

HIDDEN = -1e9
"""The score of a negative that equals the target: its weight in a softmax or a sigmoid is exactly zero in float32."""


class Negatives(nn.Module):
    """Draw `count` negatives from the known items, in proportion to their shares of `counts` [I] to a power.

    shared: one set of distinct items for all positions; the probability that an item is in the set is `expected` [I],
    exactly. Otherwise each position draws `count` items with replacement, and an item comes `expected` [I] times on
    average. `log_q` [I] is log(expected / count), the log of an item's probability per draw. The draws use torch's
    generator.
    """

    expected: Tensor
    log_q: Tensor

    def __init__(self, counts: Array, count: int, popularity: float, shared: bool) -> None:
        """counts: [I], how often each item is a target. popularity: 0 draws uniformly, 1 by frequency."""
        super().__init__()
        share = np.exp(log_share(counts, popularity))
        share[:FIRST_KNOWN_ID] = 0
        self.known = len(counts) - FIRST_KNOWN_ID
        self.count = min(count, self.known) if shared else count
        self.shared = shared
        expected = torch.from_numpy(_inclusion(share, self.count) if shared else share * count)
        self.register_buffer("expected", expected, persistent=False)
        self.register_buffer("log_q", (expected / self.count).log().float(), persistent=False)

    def draw(self, positions: int) -> Tensor:
        """Return the ids of the negatives: [K] if they are shared, else [N, K] for N `positions`."""
        if self.shared:
            return draw_distinct(self.expected)
        bounds = self.expected.cumsum(0)
        drawn = torch.rand(positions, self.count, dtype=bounds.dtype, device=bounds.device) * bounds[-1]
        return torch.searchsorted(bounds, drawn, right=True).clamp(FIRST_KNOWN_ID, len(bounds) - 1)


def draw_distinct(expected: Tensor) -> Tensor:
    """Return distinct ids, [K], with item i among them with probability `expected` [I], whose sum is K; float64.

    Systematic sampling in random order (Madow 1949, Annals of Mathematical Statistics 20(3)): items lie on a line, each
    as long as its probability, and every whole number after a random start takes the item that it meets.
    """
    order = torch.randperm(len(expected), device=expected.device)
    ends = expected[order].cumsum(0) + torch.rand((), dtype=expected.dtype, device=expected.device)
    return order[ends.floor().diff(prepend=ends.new_zeros(1)) > 0]


def negative_scores(hidden: Tensor, table: Tensor, targets: Tensor, drawn: Tensor) -> Tensor:
    """Return the scores [N, K] of the negatives; a negative that equals the position's target gets `HIDDEN`.

    hidden: [N, D]. table: [I, D]. targets: [N]. drawn: the ids, [K] of a shared set, or [N, K].
    """
    if drawn.dim() == 2:
        scores = torch.bmm(table[drawn], hidden.unsqueeze(-1)).squeeze(-1)
        return scores.masked_fill(drawn == targets[:, None], HIDDEN)
    scores = hidden @ table[drawn].T
    place = places(targets, drawn, len(table))
    rows = torch.nonzero(place >= 0).squeeze(1)
    with torch.no_grad():  # a hidden score has no gradient in any loss, and index_put's own would copy [N, K]
        scores[rows, place[rows]] = HIDDEN
    return scores


def places(targets: Tensor, drawn: Tensor, items: int) -> Tensor:
    """Return the position of each target [N] in the set `drawn` [K] of distinct ids, -1 if it is not there."""
    lookup = torch.full((items,), -1, device=drawn.device)
    lookup[drawn] = torch.arange(len(drawn), device=drawn.device)
    return lookup[targets]


def log_share(counts: Array, strength: float) -> Array:
    """Return the log of each item's share of the targets to the power of `strength`, [I], normalized to the sum 1."""
    share = np.maximum(counts.astype(np.float64), 0.5) ** strength
    share[:FIRST_KNOWN_ID] = 0.5
    logs: Array = np.log(share / share[FIRST_KNOWN_ID:].sum())
    return logs


def _inclusion(share: Array, count: int) -> Array:
    """Return probabilities, at most 1 and of sum `count`, that are proportional to `share` below 1, [I]."""
    certain = np.zeros(len(share), dtype=bool)
    while True:
        expected = np.where(certain, 1.0, share * (count - certain.sum()) / max(share[~certain].sum(), 1e-300))
        if not (expected > 1).any():
            return expected
        certain |= expected > 1
