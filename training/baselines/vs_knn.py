"""V-SkNN: items of the most similar recent training sequences, with weights that decay towards a history's beginning.

Source: Ludewig & Jannach 2018, "Evaluation of session-based recommendation algorithms" (UMUAI 28), section 3.2.3, and
its code, session-rec (`vsknn`), with linear decay:

    sim(s, n)   = Σ_{i in s and n} w(p_i) / |s|                       w(p) = max(0, 1 - p / 10)
    score(j, s) = Σ_{n in the k nearest} sim(s, n) w(p*_n) 1[j in n]

p_i: position of item i from the end of history s, its last occurrence; p*_n: position of the newest item of s in n.
|s|: the distinct items of s. Neighbours are the k nearest of the m most recent training sequences that share an item
that has a weight; an item's m most recent sequences are enough to find them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from preprocessing.schema import FittedSchema
from training.baselines.item_knn import FALLBACK, added, largest
from training.baselines.popularity import below_one
from training.baselines.train_matrix import RecentItems, train_matrix
from training.examples.moments import Array
from training.families.family import RankedBatch

NEIGHBOURS = 100
SAMPLE = 1_000
READ = 10
"""Positions of a history that have a weight."""


class VSKNN:
    """Return the scores of V-SkNN, with the items of no neighbour in the order of popularity below.

    neighbours: k. sample: m.
    """

    def __init__(
        self,
        data: str | Path,
        split: str,
        fitted: FittedSchema,
        counts: Array,
        neighbours: int = NEIGHBOURS,
        sample: int = SAMPLE,
    ) -> None:
        self._recent = RecentItems(data, split, fitted, READ)
        self._sequences = train_matrix(data, fitted)
        self._neighbours, self._sample = neighbours, sample
        by_item = self._sequences.T.tocsr()
        by_item.sort_indices()
        self._begin, self._sequence = by_item.indptr[:-1].astype(np.int64), by_item.indices.astype(np.int64)
        self._count = np.minimum(np.diff(by_item.indptr), sample).astype(np.int64)
        self._rest = below_one(counts) * FALLBACK

    def __call__(self, batch: RankedBatch) -> Tensor:
        row, position, item = newest_occurrences(*self._recent.of(batch))
        count = self._count[item]
        pair = np.repeat(np.arange(len(row)), count)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        sequence = self._sequence[self._begin[item][pair] + within]
        shape = len(batch.index), self._sequences.shape[0]
        near = neighbours(row[pair], position[pair], sequence, shape, self._neighbours, self._sample)
        weights = sp.csr_array((near[2], (near[0], near[1])), shape=shape)
        return added(self._rest, weights @ self._sequences)


def newest_occurrences(row: Array, position: Array, item: Array) -> tuple[Array, Array, Array]:
    """Return the triples without earlier occurrences of an item in the same row."""
    order = np.lexsort((position, item, row))
    row, position, item = row[order], position[order], item[order]
    first = np.r_[True, (np.diff(row) != 0) | (np.diff(item) != 0)][: len(row)]
    return row[first], position[first], item[first]


def neighbours(
    row: Array, position: Array, sequence: Array, shape: tuple[int, int], count: int, sample: int
) -> tuple[Array, Array, Array]:
    """Return row, sequence and weight sim · w(p*) of the nearest sequences of each row, flat.

    row, position, sequence: [T], one shared item each. shape: rows, sequences. Sequences are numbered from the newest.
    Similarities are compared as whole tenths, so that equal ones are tied. The division by |s| is left out: it is the
    same for all scores of a row.
    """
    key = row * shape[1] + sequence
    order = np.argsort(key, kind="stable")
    key, decay = key[order], READ - position[order]
    first = np.flatnonzero(np.r_[True, np.diff(key) != 0][: len(key)])
    near, candidate = np.divmod(key[first], shape[1])
    if not len(first):
        return near, candidate, np.zeros(0, dtype=np.float32)
    similarity, newest = np.add.reduceat(decay, first), np.maximum.reduceat(decay, first)
    recent = np.arange(len(near)) - np.searchsorted(near, near, side="left") < sample
    near, candidate, similarity, newest = near[recent], candidate[recent], similarity[recent], newest[recent]
    kept = largest(near, similarity.astype(np.float32), count)
    return near[kept], candidate[kept], ((similarity * newest)[kept] / READ**2).astype(np.float32)
