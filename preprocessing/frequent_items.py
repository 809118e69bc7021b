"""A user's items by the number of sessions with them, updated in time order."""

from __future__ import annotations

from typing import Any

import numpy as np

Column = np.ndarray[Any, np.dtype[Any]]

DAY_NS = 86_400_000_000_000


class FrequentItems:
    """The user's items by number of sessions, whose weight halves every `half_life_days`; ties by the latest purchase.

    items, instants (ns): [N], all purchases of the user in time order; a session has an item once.
    """

    def __init__(self, items: Column, instants: Column, half_life_days: float | None = None) -> None:
        self._items, self._codes = np.unique(items, return_inverse=True)
        self._instants = instants
        self._weight = np.zeros(len(self._items))
        self._latest = np.zeros(len(self._items), dtype=np.int64)
        self._counted = 0
        self._half_life_ns = half_life_days * DAY_NS if half_life_days else None

    def advance(self, count: int) -> None:
        """Count the purchases up to the first `count`; never fewer than before."""
        new = slice(self._counted, count)
        codes = self._codes[new]
        weight: Column | float = 1.0
        if self._half_life_ns and len(codes):
            now = self._instants[count - 1]
            if self._counted:
                self._weight *= 0.5 ** ((now - self._instants[self._counted - 1]) / self._half_life_ns)
            weight = 0.5 ** ((now - self._instants[new]) / self._half_life_ns)
        np.add.at(self._weight, codes, weight)
        self._latest[codes] = np.arange(self._counted + 1, count + 1)
        self._counted = count

    def top(self, most: int) -> Column:
        """Return at most `most` items, the most frequent last."""
        seen = np.flatnonzero(self._latest)
        if len(seen) > most:
            least = np.partition(self._weight[seen], -most)[-most]
            seen = seen[self._weight[seen] >= least]
        order = np.lexsort((self._latest[seen], self._weight[seen]))[-most:]
        items: Column = self._items[seen[order]]
        return items
