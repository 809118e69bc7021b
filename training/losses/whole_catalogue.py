"""The exact softmax over the whole catalogue."""

from __future__ import annotations

import torch
from torch import Tensor

from training.families.offline_online.model import RankerParts
from training.layers.encoders import INVISIBLE
from training.layers.exclusion import exclude_items


def softmax_cross_entropy(parts: RankerParts, excluded: list[Tensor], rows: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of the mean over a row's targets of -log p(target), over the whole catalogue; a scalar.

    parts: scores [B, I] and repeat terms. excluded: ids [B, L] that cannot be answers. rows, targets: [T] int64, the
    row and the item of every target.

    The repeat term is never spread over the catalogue here: with s_i the scores and m_i = Σ_{j: id_j = i} e^{r_j},
    Σ_i e^{s_i + log(1 + m_i)} = Σ_i e^{s_i} + Σ_j e^{s_{id_j} + r_j}, and only the targets' m is looked up.
    """
    scores = exclude_items(parts.scores.float(), excluded, INVISIBLE)
    repeat_logits = parts.repeat_logits.float()
    total = torch.logsumexp(scores, dim=1)
    of_target = scores[rows, targets]
    if parts.repeat_items.shape[1]:
        repeated = torch.logsumexp(scores.gather(1, parts.repeat_items) + repeat_logits, dim=1)
        total = torch.logaddexp(total, repeated)
        same = parts.repeat_items[rows] == targets[:, None]
        of_target = of_target + torch.log1p((torch.exp(repeat_logits)[rows] * same).sum(1))
    per_target = total[rows] - of_target
    per_row = torch.zeros_like(total).scatter_add(0, rows, per_target)
    counts = torch.zeros_like(total).scatter_add(0, rows, torch.ones_like(per_target))
    return (per_row / counts.clamp(min=1)).sum() / (counts > 0).sum().clamp(min=1)
