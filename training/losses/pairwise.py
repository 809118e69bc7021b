"""Losses that compare a positive with each of its sampled negatives: gBCE and BPR-max."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gbce(positive: Tensor, negatives: Tensor, beta: float) -> Tensor:
    """Return the generalised binary cross-entropy, a scalar: the mean over positions of

        -1/(K + 1) · (log σ(s_p)^β + Σ_n log(1 - σ(s_n)))

    (Petrov & Macdonald 2023, RecSys, "gSASRec", arXiv 2308.07192). positive: [N] scores. negatives: [N, K] scores.
    log σ^β is β log σ, so no probability is raised to a power and the loss is finite for every finite score.
    """
    total = beta * F.softplus(-positive) + F.softplus(negatives).sum(dim=1)
    return total.mean() / (negatives.shape[1] + 1)


def gbce_beta(items: int, negatives: int, calibration: float) -> float:
    """Return the exponent β = α(t(1 - 1/α) + 1/α) of gBCE with α = K/(I - 1) (same paper).

    items: I, known items of the catalogue. negatives: K. calibration: t; 0 gives β = 1, 1 gives β = α.
    """
    alpha = min(negatives / max(items - 1, 1), 1.0)
    return 1 - calibration * (1 - alpha)


def bpr_max(positive: Tensor, negatives: Tensor, penalty: float) -> Tensor:
    """Return BPR-max, a scalar: the mean over positions, with the softmax w over a position's negatives, of

        -log Σ_n w_n σ(s_p - s_n) + λ Σ_n w_n s_n²

    (Hidasi & Karatzoglou 2018, CIKM, "GRU4Rec+", arXiv 1706.03847). positive: [N] scores. negatives: [N, K] scores.
    penalty: λ. The first term is computed as a difference of two log-sums, so it is finite for every finite score.
    """
    total = torch.logsumexp(negatives, dim=1)
    won = torch.logsumexp(negatives + F.logsigmoid(positive[:, None] - negatives), dim=1)
    squares = (torch.softmax(negatives, dim=1) * negatives.square()).sum(dim=1)
    return (total - won + penalty * squares).mean()
