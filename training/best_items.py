"""The best items of rows of scores, without a sort of the whole catalogue."""

from __future__ import annotations

import torch
from torch import Tensor

from preprocessing.schema import PADDING_ID

SLICES = 8
"""Number of slices of the catalogue that are compared item by item before the search."""
SMALLEST_SLICE = 4
"""A slice holds at least this many times k items; searching a smaller catalogue directly is faster."""


def best_items(scores: Tensor, k: int) -> Tensor:
    """Return the ids [B, K] of the best items of scores [B, I], best first, ties by id; K is the smaller of k and I.

    Scores are numbers. A score of -inf has the id 0. The catalogue is laid out as `SLICES` rows; the best k + 1
    columns by their maximum contain the best k + 1 items, and show whether the last of the best k is tied.
    """
    k = min(k, scores.shape[1])
    best, ids = _candidates(scores, min(k + 1, scores.shape[1]))
    tied = (best[:, 1:] == best[:, :-1]) & (best[:, 1:] > -torch.inf)
    best, ids = best[:, :k], ids[:, :k]
    for row in tied.any(dim=1).nonzero()[:, 0].tolist():
        ids[row] = _by_id(scores[row], best[row, -1], k)
    return ids.masked_fill(best == -torch.inf, PADDING_ID)


def _candidates(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the best k scores, best first, and ids, [B, k] each; the order of ties is not defined."""
    columns = scores.shape[1] // SLICES
    if columns < SMALLEST_SLICE * k:
        return torch.topk(scores, k, dim=1)
    within = columns * SLICES
    highest = scores[:, :within].view(len(scores), SLICES, columns).amax(1)
    chosen = torch.topk(highest, k, dim=1, sorted=False).indices
    ids = (chosen[:, None] + columns * torch.arange(SLICES)[:, None]).flatten(1)
    ids = torch.cat([ids, torch.arange(within, scores.shape[1]).expand(len(ids), -1)], dim=1)
    best, place = torch.topk(scores.gather(1, ids), k, dim=1)
    return best, ids.gather(1, place)


def _by_id(scores: Tensor, lowest: Tensor, k: int) -> Tensor:
    """Return the best k ids of a row of scores [I] whose k-th best score is `lowest`, ties by id."""
    above, equal = (scores > lowest).nonzero()[:, 0], (scores == lowest).nonzero()[:, 0]
    order = scores[above].sort(descending=True, stable=True).indices
    return torch.cat([above[order], equal[: k - len(order)]])
