"""Popularity: of the train period, of the days before a row, and of the user's own items first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocessing.schema import FittedSchema
from stage.parquet import read_columns
from training.examples.moments import Array, DataError, SplitData
from training.families.family import RankedBatch
from training.layers.items import read_index


def train_counts(data: str | Path, fitted: FittedSchema) -> Array:
    """Return the purchases of the train period, [I]."""
    counts: Array = read_index(Path(data) / "item_index.parquet", ["purchases"], fitted.items)["purchases"].to_numpy()
    return counts


class Popularity:
    """Return the purchases of the train period."""

    def __init__(self, counts: Array) -> None:
        self._counts = torch.from_numpy(counts.astype(np.float32))

    def __call__(self, batch: RankedBatch) -> Tensor:
        return self._counts.repeat(len(batch.index), 1)


class RecentPopularity:
    """Return the purchases of the whole log in the days before the local day of each row.

    Unlike the model, it also sees the validation and test periods up to that day, which makes the baseline stronger.
    """

    def __init__(self, data: str | Path, split: SplitData, fitted: FittedSchema, days: int) -> None:
        file = Path(data) / "daily_purchases.parquet"
        table = read_columns(file, ["day", "encoded_id", "purchases"])
        ids = table["encoded_id"].to_numpy()
        if not len(ids) or ids.max() >= fitted.items:
            raise DataError(f"{file}: is not of this schema's {fitted.items} ids: run the fit again")
        date = table["day"].to_numpy().astype("datetime64[D]")
        self._first, self._days = date.min(), days
        place = (date - self._first).astype(np.int64)
        total = np.zeros((int(place.max()) + 2, fitted.items), dtype=np.float32)
        np.add.at(total, (place + 1, ids), table["purchases"].to_numpy())
        self._before = np.cumsum(total, axis=0)
        self._row_days = (split.times().astype("datetime64[D]") - self._first).astype(np.int64)

    def __call__(self, batch: RankedBatch) -> Tensor:
        last = len(self._before) - 1
        end = np.clip(self._row_days[batch.index], 0, last)
        start = np.clip(end - self._days, 0, last)
        return torch.from_numpy(self._before[end] - self._before[start])


class OwnMostFrequent:
    """Return scores that rank the user's items by their number of sessions, then all others by popularity."""

    def __init__(self, split: SplitData, sequence: str, counts: Array) -> None:
        self._split, self._sequence = split, sequence
        self._rest = below_one(counts)

    def __call__(self, batch: RankedBatch) -> Tensor:
        ids = self._split.batch(batch.index).features[self._sequence]
        place = torch.arange(1, ids.shape[1] + 1, dtype=torch.float32).expand_as(ids)
        return self._rest.repeat(len(ids), 1).scatter(1, ids, place)


def below_one(counts: Array) -> Tensor:
    """Return `counts` [I] scaled to 0 ≤ x < 1, float32: the order of items that a baseline has no score for."""
    popularity = torch.from_numpy(counts.astype(np.float32))
    return popularity / (popularity.max() + 1)
