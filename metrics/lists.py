"""Metrics of top-K lists that need no targets: coverage and novelty, accumulated chunk by chunk.

For the lists of N rows over a catalogue of I items, where item i has the share p_i of the train interactions:

    coverage@k = |items within the first k of any list| / I
    novelty@k  = mean of -log2 p_i over all items within the first k, in bits

Sources. Catalogue coverage: Ge, Delgado-Battenfeld & Jannach 2010, "Beyond accuracy" (RecSys), section 3. Novelty as
self-information: Zhou et al. 2010, PNAS 107(10), with the share of interactions instead of the share of users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.ranks import RankError


class ListMetrics:
    """Accumulates top-K lists of item numbers.

    counts: train interactions of every item, [I]; an item with none counts as half an interaction, for finite novelty.
    first_item: smaller ids are not items: they fill the empty slots of short lists.
    """

    def __init__(self, counts: NDArray[Any], ks: Iterable[int] = (10, 20), first_item: int = 0) -> None:
        self.ks = tuple(ks)
        self._first_item = first_item
        known = np.maximum(np.asarray(counts, dtype=np.float64)[first_item:], 0.5)
        if not known.size:
            raise RankError(f"a catalogue of {len(counts)} ids has no item from {first_item} on: give one item or more")
        self._bits = np.concatenate([np.zeros(first_item), -np.log2(known / known.sum())])
        self._listed = {k: np.zeros(len(self._bits), dtype=np.int64) for k in self.ks}

    def update(self, ids: NDArray[np.integer[Any]]) -> None:
        """Add lists `[N, K]`, best first; K may be less than k if the catalogue is."""
        for k in self.ks:
            items = ids[:, :k][ids[:, :k] >= self._first_item]
            self._listed[k] += np.bincount(items, minlength=len(self._bits))

    def compute(self) -> dict[str, float]:
        """Return {"coverage@20": 0.31, "novelty@20": 9.8, ...}; novelty is 0 if no list has an item."""
        found: dict[str, float] = {}
        for k, listed in self._listed.items():
            found[f"coverage@{k}"] = float((listed > 0).sum() / (len(self._bits) - self._first_item))
            found[f"novelty@{k}"] = float(listed @ self._bits / max(listed.sum(), 1))
        return found
