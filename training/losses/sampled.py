"""The softmax over a sample of the catalogue (the items of the batch, optionally others) and its logQ corrections."""

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
    """Return the mean over T examples of -log p(positive) against sampled negatives, a scalar.

    positive: [T] scores of the positives, divided by the temperature. candidates: [T, P] scores of the sampled items.
    is_negative: [T, P], false if a candidate is the example's positive. positive_log_q [T], candidate_log_q [P]:
    log of the probability Q that the item is drawn as a candidate. An example without negatives has zero loss.

    With scores s, the positive p, negatives c, their number n and the stop-gradient sg:

        none        -log e^s_p / (e^s_p + Σ_c e^s_c)
        standard    the same with s - log Q instead of s, also for the positive (Yi et al. 2019, RecSys, section 4)
        corrected   -sg(1 - P_p) · log (e^s_p / Σ_c e^(s_c - log Q'(c))),    Q'(c) = Q(c) / (1 - Q(p))
                    P_p = e^s_p / (e^s_p + 1/n Σ_c e^(s_c - log Q'(c)))

    The last is "Correcting the LogQ Correction" (Khrylchenko et al. 2025, RecSys, arXiv 2507.09331): the positive is
    always in the denominator and not drawn, so the correction leaves it out, and it comes back as the
    weight 1 - P_p, the model's probability of a miss. Its gradient estimates that of the full softmax.
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
    """Return log Σ e^score over the visible scores, [T]; if all are hidden, the lowest number, without a gradient."""
    lowest = torch.finfo(scores.dtype).min
    return torch.logsumexp(scores.masked_fill(hidden, lowest), dim=1)
