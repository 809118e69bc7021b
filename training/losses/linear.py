"""Softmax over dot products with a table of vectors, without holding the logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import LinearCrossEntropyOptions
from torch.nn import functional as F

PLAIN_UP_TO = 500
"""Candidates up to which plain logits are as fast (`python -m benchmarks.losses`); the first call of the other way also
imports for seconds."""
CHUNK = 256
"""Rows whose logits exist at a time on a CPU: fewer repeat the work per chunk, more leave the caches."""


def full_softmax(hidden: Tensor, table: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean over positions of the cross-entropy over all candidates, a scalar.

    hidden: [N, D]. table: [C, D]; scores are dot products. targets: [N], rows of the table. label_smoothing: ε, the
    share of a target that is spread evenly over the candidates (Szegedy et al. 2016, CVPR, section 7).

    Smoothing adds ε · (s_target - mean of all scores), which needs no logits either.
    """
    if len(table) <= PLAIN_UP_TO:
        return F.cross_entropy(hidden @ table.T, targets, label_smoothing=label_smoothing)
    loss = F.linear_cross_entropy(hidden, table, targets, options=built_in_options(hidden))
    if label_smoothing:
        of_targets = (hidden * table[targets]).sum(dim=1).mean()
        loss = loss + label_smoothing * (of_targets - hidden.mean(dim=0) @ table.mean(dim=0))
    return loss


def linear_cross_entropy(hidden: Tensor, table: Tensor, targets: Tensor, bias: Tensor) -> Tensor:
    """Return the cross-entropy of each position, [N], with a bias [C] on the scores."""
    return F.linear_cross_entropy(
        hidden, table, targets, linear_bias=bias, reduction="none", options=built_in_options(hidden)
    )


def built_in_options(hidden: Tensor) -> LinearCrossEntropyOptions:
    """Return the options for `hidden`: elsewhere than on a CPU torch chooses, on a CPU its choice is too slow."""
    if hidden.device.type != "cpu":
        return LinearCrossEntropyOptions()
    return LinearCrossEntropyOptions(batch_chunk_size=CHUNK, acc_policy="compact")
