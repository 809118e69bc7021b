"""Histories: what each session's user took strictly before it began, a prefix of the purchases in time order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from preprocessing.frequent_items import DAY_NS, FrequentItems

if TYPE_CHECKING:
    import pandas as pd

    Column = np.ndarray[Any, np.dtype[Any]]


class Histories:
    """Histories of S sessions from N purchases.

    items, instants: [N], user by user, each user's in time order. counts: [U] purchases of each user. sessions: [S]
    rows sorted by user in the same order, with `user` and `first`. Each `kept` selects sessions, [K].
    """

    def __init__(self, items: Column, instants: Column, counts: Column, sessions: pd.DataFrame) -> None:
        self._items, self._instants = items, instants
        self._first = sessions["first"].to_numpy()
        names = sessions["user"].to_numpy()
        bounds = np.r_[np.flatnonzero(np.r_[True, names[1:] != names[:-1]]), len(names)]
        ends = np.cumsum(counts)
        # Per user: sessions a to b, purchases begin to end.
        self._users = list(zip(bounds[:-1], bounds[1:], np.r_[0, ends[:-1]], ends, strict=True))
        self._begin = np.repeat(np.r_[0, ends[:-1]], np.diff(bounds))
        self._stop = np.concatenate(
            [begin + np.searchsorted(instants[begin:end], self._first[a:b]) for a, b, begin, end in self._users]
        )

    def recent(self, most: int, kept: Column) -> pa.ListArray:
        """Return the last items, the newest last."""
        begin, stop = self._begin[kept], self._stop[kept]
        return slices(self._items, np.maximum(begin, stop - most), stop)

    def days_since_last(self, kept: Column) -> Column:
        """Return the days since the last purchase, NaN if there is none."""
        begin, stop = self._begin[kept], self._stop[kept]
        days: Column = np.where(stop > begin, (self._first[kept] - self._instants[stop - 1]) / DAY_NS, np.nan)
        return days

    def frequent(self, most: int, half_life_days: float | None, kept: Column) -> pa.ListArray:
        """Return the most frequent items, the most frequent last."""
        top: list[Column] = [self._items[:0]] * len(self._first)
        wanted = np.zeros(len(self._first), dtype=bool)
        wanted[kept] = True
        for a, b, begin, end in self._users:
            counter = FrequentItems(self._items[begin:end], self._instants[begin:end], half_life_days)
            for place in (a + np.argsort(self._stop[a:b], kind="stable")).tolist():
                if wanted[place]:
                    counter.advance(int(self._stop[place] - begin))
                    top[place] = counter.top(most)
        chosen = [top[place] for place in kept.tolist()]
        ends = np.cumsum([len(items) for items in chosen])
        return slices(np.concatenate([*chosen, self._items[:0]]), np.r_[0, ends[:-1]], ends)


def slices(values: Column, begin: Column, end: Column) -> pa.ListArray:
    """Row r is `values[begin[r]:end[r]]`."""
    offsets = np.r_[0, np.cumsum(end - begin)]
    flat = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], end - begin)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values[flat]))
