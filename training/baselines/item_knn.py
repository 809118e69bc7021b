"""Item-kNN: items that are often in the same sequences as the newest items of a history.

Sources. Cosine of two items' columns of the sequence-item matrix: Sarwar, Karypis, Konstan & Riedl 2001, "Item-based
collaborative filtering recommendation algorithms" (WWW), section 3.1. The N most similar items of each item, and the
sum of similarities over the history: Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms" (ACM TOIS
22), section 4. Shrinkage λ of rare items' similarity: Ludewig & Jannach 2018, "Evaluation of session-based
recommendation algorithms" (UMUAI 28), its baseline item-kNN after Hidasi et al.:

    sim(i, j) = n_ij / sqrt((n_i + λ) (n_j + λ)),   score(j) = Σ_p 2^(-p / h) sim(i_p, j)

n_i: sequences with item i; n_ij: with both. i_p: the history's item at position p from its end. h: half-life.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from preprocessing.schema import FittedSchema
from training.baselines.popularity import below_one
from training.baselines.train_matrix import RecentItems, train_matrix
from training.examples.moments import Array
from training.families.family import RankedBatch

NEIGHBOURS = 200
SHRINKAGE = 20.0
HALF_LIFE = 1.0
"""Positions after which the weight of an item of the history is halved."""
MOST_RECENT = 10
"""The newest items of a history that count: the weight of earlier ones is below 2^-9."""
PRODUCTS = 1 << 24
"""Co-occurrences that are held at once; they bound the memory of the similarities to a few hundred MB."""
FALLBACK = 1e-12
"""Scale of the popularity of items that are no neighbours: far below any similarity."""


class ItemKNN:
    """Return the scores of item-kNN, with the items that are no neighbours in the order of popularity below."""

    def __init__(self, data: str | Path, split: str, fitted: FittedSchema, counts: Array) -> None:
        self._recent = RecentItems(data, split, fitted, MOST_RECENT)
        self._similar = similarities(train_matrix(data, fitted), NEIGHBOURS, SHRINKAGE)
        self._rest = below_one(counts) * FALLBACK

    def __call__(self, batch: RankedBatch) -> Tensor:
        row, position, item = self._recent.of(batch)
        weight = np.exp2(-position / HALF_LIFE).astype(np.float32)
        weights = sp.csr_array((weight, (row, item)), shape=(len(batch.index), len(self._rest)))
        return added(self._rest, weights @ self._similar)


def similarities(matrix: sp.csr_array, neighbours: int, shrinkage: float) -> sp.csr_array:
    """Return the largest similarities of each item, [I, I], at most `neighbours` per row; ties by id."""
    by_item = matrix.T.tocsr()
    scale = (1 / np.sqrt(np.maximum(np.diff(by_item.indptr), 1) + shrinkage)).astype(np.float32)
    products = np.cumsum(by_item @ np.diff(matrix.indptr).astype(np.float64))
    parts, start, items = [], 0, by_item.shape[0]
    while start < items:
        done = products[start - 1] if start else 0.0
        stop = max(start + 1, int(np.searchsorted(products, done + PRODUCTS, side="right")))
        together = by_item[start:stop] @ matrix
        together.sort_indices()
        row, column = (each.astype(np.int64) for each in together.tocoo().coords)
        value = together.data * scale[row + start] * scale[column]
        value[column == row + start] = 0
        kept = largest(row, value, neighbours)
        kept = kept[value[kept] > 0]
        parts.append(sp.csr_array((value[kept], (row[kept], column[kept])), shape=(stop - start, items)))
        start = stop
    return sp.vstack(parts, format="csr")


def largest(row: Array, value: Array, count: int) -> Array:
    """Return the places of the `count` largest values of each row; among equal ones those that come first.

    row: [T], rising. value: [T], float32 of 0 or more, whose bits rise with the value: (row, value) is one integer.
    """
    key = (row << 32) - value.astype(np.float32).view(np.int32)
    order = np.argsort(key, kind="stable")
    within = np.arange(len(row)) - np.searchsorted(row, row, side="left")
    kept: Array = order[within < count]
    return kept


def added(rest: Tensor, scores: sp.csr_array) -> Tensor:
    """Return sparse scores [B, I] plus `rest` [I], dense."""
    total = rest.repeat(scores.shape[0], 1)
    row, column = (torch.from_numpy(each.astype(np.int64)) for each in scores.tocoo().coords)
    total[row, column] += torch.from_numpy(scores.data)
    return total
