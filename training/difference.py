"""The difference of a metric between two scorers of the same rows, with an interval by users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.examples.moments import Array

DRAWS = 1_000
SEED = 0


@dataclass(frozen=True)
class Difference:
    """The mean difference over rows, and the 95% interval low … high."""

    mean: float
    low: float
    high: float


def difference(own: Array, other: Array, users: Array) -> Difference:
    """Return the mean of own - other, [N] each, with a bootstrap interval over users.

    users: the number of each row's user, 0 … U - 1, [N]. Rows of one user are not independent, so whole users are drawn
    with replacement, `DRAWS` times; the interval is that of the percentiles (Efron & Tibshirani 1993, "An introduction
    to the bootstrap", sections 8 and 13). A single user has an interval without width, which says nothing.
    """
    sums, rows = np.bincount(users, weights=own - other), np.bincount(users)
    random = np.random.default_rng(SEED)
    means = np.empty(DRAWS)
    for draw in range(DRAWS):
        drawn = random.integers(0, len(rows), len(rows))
        means[draw] = sums[drawn].sum() / rows[drawn].sum()
    low, high = np.quantile(means, (0.025, 0.975))
    return Difference(float(sums.sum() / rows.sum()), float(low), float(high))
