"""The softmax over a sample of the catalogue (the items of the batch, optionally others) and its logQ corrections."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from training.losses.linear import linear_cross_entropy
from training.losses.negatives import places

Correction = Literal["none", "standard", "corrected"]

SMALLEST = 1e-6
"""The least cross-entropy of a target in a drawn set that float32 still tells from zero."""


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
    scores = candidates if correction == "none" else candidates - candidate_log_q
    count = is_negative.sum(dim=1)
    return softmax_against(positive, _log_sum(scores, ~is_negative), count, positive_log_q, correction)


def sampled_linear_softmax(
    hidden: Tensor, table: Tensor, targets: Tensor, drawn: Tensor, log_q: Tensor, correction: Correction
) -> Tensor:
    """Return `sampled_softmax` with a set of distinct negatives that all positions share; their logits are never held.

    hidden: [N, D]. table: [I, D]; scores are dot products. targets: [N] ids. drawn: [K] distinct ids; a position's own
    target is not a negative. log_q: [I], log of the probability per draw.

    With x_a the cross-entropy of candidate a in the drawn set, the log-sum of the set is x_a + s_a, and that of the set
    without a is x_a + s_a + log(1 - e^-x_a): a mask of [N, K] is not needed.
    """
    place = places(targets, drawn, len(table))
    among = place.clamp(min=0)
    candidates = table[drawn]
    bias = torch.zeros_like(candidates[:, 0]) if correction == "none" else -log_q[drawn]
    cross_entropy = linear_cross_entropy(hidden, candidates, among, bias)
    everything = cross_entropy + (hidden * candidates[among]).sum(dim=1) + bias[among]
    without = torch.log(-torch.expm1(-cross_entropy.clamp(min=SMALLEST)))
    negatives = everything + torch.where(place >= 0, without, 0.0)
    count = len(drawn) - (place >= 0).int()
    return softmax_against((hidden * table[targets]).sum(dim=1), negatives, count, log_q[targets], correction)


def softmax_against(
    positive: Tensor, negatives: Tensor, count: Tensor, positive_log_q: Tensor, correction: Correction
) -> Tensor:
    """Return the loss of `sampled_softmax` from log-sums over negatives.

    positive: [T]. negatives: [T], log Σ_c e^(s_c - log Q(c)), without log Q if there is no correction. count: [T], the
    number of negatives. positive_log_q: [T].
    """
    if correction == "none":
        loss = torch.logaddexp(positive, negatives) - positive
    elif correction == "standard":
        corrected = positive - positive_log_q
        loss = torch.logaddexp(corrected, negatives) - corrected
    else:
        negatives = negatives + torch.log1p(-positive_log_q.exp().clamp(max=1 - 1e-6))
        with torch.no_grad():
            weight = torch.sigmoid(negatives - count.clamp(min=1).log() - positive)
        loss = weight * (negatives - positive)
    return torch.where(count > 0, loss, 0.0).sum() / (count > 0).sum().clamp(min=1)


def _log_sum(scores: Tensor, hidden: Tensor) -> Tensor:
    """Return log Σ e^score over the visible scores, [T]; if all are hidden, the lowest number, without a gradient."""
    lowest = torch.finfo(scores.dtype).min
    return torch.logsumexp(scores.masked_fill(hidden, lowest), dim=1)
