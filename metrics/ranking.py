"""Precision, recall, NDCG, MAP, MRR, hit rate and categorical accuracy at k, accumulated chunk by chunk.

For one row with target set T, r_1 < r_2 < ... the ranks of its recommended targets (see `metrics.ranks`), and
hits = #{i: r_i <= k}:

    precision@k = hits / k
    recall@k    = hits / |T|                      (|T| includes targets outside of the catalogue)
    hit_rate@k  = 1 if hits > 0 else 0
    mrr@k       = 1 / r_1 if r_1 <= k else 0
    map@k       = sum(i / r_i, r_i <= k) / min(|T|, k)
    ndcg@k      = sum(1 / log2(r_i + 1), r_i <= k) / sum(1 / log2(i + 1), i = 1..min(|T|, k))

These are means over rows. One metric is a mean over targets:

    categorical_accuracy@k = hits of all rows / targets of all rows

Sources. Precision, recall, average precision: Manning, Raghavan, Schütze 2008, sections 8.3 and 8.4; its average
precision divides by |T|; with a cut-off at k the divisor is min(|T|, k), the most hits in k slots. Reciprocal rank:
Voorhees 1999, TREC-8 question answering track. NDCG: Järvelin & Kekäläinen 2002
(gain with a logarithmic discount, divided by that of the ideal order), with the discount log2(rank + 1) of Burges
et al. 2005. Categorical accuracy: `top_k_categorical_accuracy` of TensorFlow Recommenders' FactorizedTopK, where one
row has one target and ties favour the target; here they count against it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from metrics.ranks import RankError, TargetRanks

NAMES = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")


class RankingMetrics:
    """Accumulate `TargetRanks` and return the mean of each metric at each k over all rows.

    keep: a metric such as "ndcg@20", whose value is kept for every row.

    metrics = RankingMetrics(ks=(10, 20))
    metrics.update(target_ranks_from_scores(scores, targets))
    metrics.compute()["ndcg@20"]
    """

    def __init__(self, ks: Iterable[int] = (10, 20), keep: str | None = None) -> None:
        self.ks = tuple(ks)
        if not self.ks or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in self.ks):
            raise RankError(f"ks must be whole numbers of at least 1, seen {self.ks}: give such as (10, 20)")
        self.rows = 0
        self._targets = 0
        self._hits = dict.fromkeys(self.ks, 0)
        self._sums = {f"{name}@{k}": 0.0 for k in self.ks for name in NAMES}
        if keep is not None and keep not in self._sums:
            raise RankError(f"no metric {keep} to keep: give one of {', '.join(self._sums)}")
        self._keep, self._kept = keep, [np.zeros(0)]

    def update(self, targets: TargetRanks) -> None:
        """Add rows."""
        lengths = targets.lengths
        found = targets.ranks > 0
        row, rank = targets.rows[found], targets.ranks[found]
        order = np.lexsort((rank, row))
        row, rank = row[order], rank[order]
        nth = np.arange(row.size) - np.searchsorted(row, row, side="left") + 1
        self.rows += lengths.size
        self._targets += int(lengths.sum())
        for k in self.ks:
            inside = rank <= k
            self._hits[k] += int(inside.sum())
            sums = _metrics_of_rows(row[inside], rank[inside], nth[inside], lengths, k)
            for name, value in sums.items():
                self._sums[f"{name}@{k}"] += float(value.sum())
                if f"{name}@{k}" == self._keep:
                    self._kept.append(value)

    def kept(self) -> NDArray[np.float64]:
        """Return the metric `keep` of every row, [N]."""
        return np.concatenate(self._kept)

    def compute(self) -> dict[str, float]:
        """Return means over the rows (`categorical_accuracy@k`: over the targets), as {"ndcg@20": 0.31, ...}."""
        if not self.rows:
            raise RankError("no rows were added: a mean needs at least one row")
        means = {name: value / self.rows for name, value in self._sums.items()}
        return means | {f"categorical_accuracy@{k}": hits / self._targets for k, hits in self._hits.items()}


def _metrics_of_rows(
    row: NDArray[np.int64],
    rank: NDArray[np.int64],
    nth: NDArray[np.int64],
    lengths: NDArray[np.int64],
    k: int,
) -> dict[str, NDArray[np.float64]]:
    """Return each metric `[N]` from the hits within k: their `row`, `rank` and order within the row, `[H]` each."""

    def per_row(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(row, weights=weight, minlength=lengths.size).astype(np.float64)

    hits = per_row(np.ones(row.size))
    reachable = np.minimum(lengths, k)
    ideal_dcg = np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))
    return {
        "ndcg": per_row(1.0 / np.log2(rank + 1.0)) / ideal_dcg[reachable - 1],
        "recall": hits / lengths,
        "precision": hits / k,
        "map": per_row(nth / rank) / reachable,
        "mrr": per_row(np.where(nth == 1, 1.0 / rank, 0.0)),
        "hit_rate": (hits > 0).astype(np.float64),
    }
