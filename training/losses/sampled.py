"""Softmax over a sample of the catalogue: the items of the batch, with or without others, and its logQ corrections."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Correction = Literal["none", "standard", "corrected"]


def sampled_softmax(
    positive: Tensor,
    candidates: Tensor,
    is_negative: Tensor,
    positive_log_q: Tensor,
    candidate_log_q: Tensor,
    correction: Correction,
) -> Tensor:
    """Mean over T examples of -log p(positive) against sampled negatives; a scalar.

    positive: [T] scores of the positives, temperature divided out. candidates: [T, P] those of the sampled items.
    is_negative: [T, P], false where a candidate is the example's positive. positive_log_q [T], candidate_log_q [P]:
    log of the probability Q with which the item is drawn as a candidate. An example without a negative costs nothing.

    With s the scores, p the positive, c over the negatives, n their number and sg a constant to the gradient:

        none        -log e^s_p / (e^s_p + Σ_c e^s_c)
        standard    the same with s - log Q in place of s, the positive's too (Yi et al. 2019, RecSys, section 4)
        corrected   -sg(1 - P_p) · log (e^s_p / Σ_c e^(s_c - log Q'(c))),    Q'(c) = Q(c) / (1 - Q(p))
                    P_p = e^s_p / (e^s_p + 1/n Σ_c e^(s_c - log Q'(c)))

    The last is "Correcting the LogQ Correction" (Khrylchenko et al. 2025, RecSys, arXiv 2507.09331): the positive is
    in the denominator for certain and not by the draw, so it is left out of what is corrected, and comes back as the
    weight 1 - P_p, the model's own probability of a miss. Its gradient is an estimate of the whole softmax's.
    """
    hidden = ~is_negative
    some = is_negative.any(dim=1)
    if correction == "none":
        loss = torch.logaddexp(positive, _log_sum(candidates, hidden)) - positive
    elif correction == "standard":
        corrected = positive - positive_log_q
        loss = torch.logaddexp(corrected, _log_sum(candidates - candidate_log_q, hidden)) - corrected
    else:
        without_positive = torch.log1p(-positive_log_q.exp().clamp(max=1 - 1e-6))
        negatives = _log_sum(candidates - candidate_log_q, hidden) + without_positive
        with torch.no_grad():
            mean = negatives - is_negative.sum(dim=1).clamp(min=1).log()
            weight = torch.sigmoid(mean - positive)
        loss = weight * (negatives - positive)
    return torch.where(some, loss, 0.0).sum() / some.sum().clamp(min=1)


def _log_sum(scores: Tensor, hidden: Tensor) -> Tensor:
    """log Σ e^score over what is not hidden, [T]; where all is, the lowest number, whose gradient is none."""
    lowest = torch.finfo(scores.dtype).min
    return torch.logsumexp(scores.masked_fill(hidden, lowest), dim=1)
