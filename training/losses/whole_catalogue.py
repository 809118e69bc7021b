"""The exact softmax over the whole catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.layers.encoders import INVISIBLE
from training.layers.exclusion import exclude_items


def softmax_cross_entropy(
    scores: Tensor,
    rows: Tensor,
    targets: Tensor,
    excluded: Sequence[Tensor] = (),
    repeats: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return the mean over rows of the mean over a row's targets of -log p(target), over the whole catalogue; a scalar.

    scores: [B, I]. rows, targets: [T] int64, the row and the item of every target. excluded: ids [B, L] that cannot be
    answers. repeats: items id_j [B, R] that repeat and their logits r_j [B, R], which add log(1 + m_i) to the score s_i
    of an item, with m_i = Σ_{j: id_j = i} e^{r_j}.

    The repeat term is never expanded to the catalogue here:
    Σ_i e^{s_i + log(1 + m_i)} = Σ_i e^{s_i} + Σ_j e^{s_{id_j} + r_j}, and only the targets' m is looked up.
    """
    scores = exclude_items(scores.float(), excluded, INVISIBLE)
    total = torch.logsumexp(scores, dim=1)
    of_target = scores[rows, targets]
    if repeats is not None and repeats[0].shape[1]:
        items, logits = repeats[0], repeats[1].float()
        repeated = torch.logsumexp(scores.gather(1, items) + logits, dim=1)
        total = torch.logaddexp(total, repeated)
        same = items[rows] == targets[:, None]
        of_target = of_target + torch.log1p((torch.exp(logits)[rows] * same).sum(1))
    per_target = total[rows] - of_target
    per_row = torch.zeros_like(total).scatter_add(0, rows, per_target)
    counts = torch.zeros_like(total).scatter_add(0, rows, torch.ones_like(per_target))
    return (per_row / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
