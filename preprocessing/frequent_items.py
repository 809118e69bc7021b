"""A user's items by the number of sessions that held them, kept up as sessions are added."""

from __future__ import annotations

from typing import Any

import numpy as np

Column = np.ndarray[Any, np.dtype[Any]]

DAY_NS = 86_400_000_000_000


class FrequentItems:
    """The user's items by (decayed) number of sessions, ties by the latest purchase; the most frequent last.

    items: [N] int32, all purchases of the user in the order in which their sessions are added; an item stands once in
    a session.
    """

    def __init__(self, items: Column, half_life_days: float | None = None) -> None:
        self._items, self._codes = np.unique(items, return_inverse=True)
        self._weight = np.zeros(len(self._items))
        self._latest = np.zeros(len(self._items), dtype=np.int64)
        self._added = 0
        self._half_life_ns = half_life_days * DAY_NS if half_life_days else None
        self._as_of: int | None = None

    def add(self, size: int, instant: int) -> None:
        """Add the next `size` purchases: one session that ended at `instant` (ns, not before the last one's)."""
        if self._half_life_ns:
            since = 0 if self._as_of is None else instant - self._as_of
            self._weight *= 0.5 ** (since / self._half_life_ns)
            self._as_of = instant
        end = self._added + size
        codes = self._codes[self._added : end]
        self._weight[codes] += 1.0
        self._latest[codes] = np.arange(self._added + 1, end + 1)
        self._added = end

    def top(self, most: int) -> Column:
        """At most `most` item numbers."""
        seen = np.flatnonzero(self._latest)
        if len(seen) > most:
            least = np.partition(self._weight[seen], -most)[-most]
            seen = seen[self._weight[seen] >= least]
        order = np.lexsort((self._latest[seen], self._weight[seen]))[-most:]
        names: Column = self._items[seen[order]]
        return names
