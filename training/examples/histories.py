"""The rows of a split as histories alone, which is all that next-item models read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocessing.schema import FittedSchema
from training.examples.sequence_file import Array, padded
from training.examples.sequences import SequenceExamples

HISTORY, USERS = "history", "users"
WHOLE = np.iinfo(np.int32).max
"""A limit above the length of any history."""


@dataclass(frozen=True)
class HistoryBatch:
    """B rows.

    index: [B] int64, row numbers in the split. features: `history` [B, L] int64, the newest known items, oldest first,
    padded right with 0, and if requested `users` [B] int64. excluded: ids [B, L'] that cannot be answers.
    """

    index: Array
    features: dict[str, Tensor]
    excluded: tuple[Tensor, ...]


class HistoryRows:
    """The moments of a split: row r is row r of the split's moments.

    A history contains the items before the session and those of the session so far; unknown items are skipped.
    max_length: the maximal number of items that a model reads. exclude_seen: no item of the whole history, however
    long, can be an answer. users: also give the user of each row, numbered as in `TrainingSequences`.
    """

    def __init__(
        self,
        data: str | Path,
        split: str,
        fitted: FittedSchema,
        max_length: int,
        exclude_seen: bool = True,
        users: bool = False,
    ) -> None:
        self._examples = SequenceExamples(data, split, fitted, WHOLE)
        self._max_length, self._exclude_seen, self._users = max_length, exclude_seen, users

    def __len__(self) -> int:
        return len(self._examples)

    def batch(self, rows: Array) -> HistoryBatch:
        """Return the given rows, [B] int64."""
        values, lengths = self._examples.known_items(rows)
        end = np.cumsum(lengths)
        newest = np.minimum(lengths, self._max_length)
        history = torch.from_numpy(padded(values, end - newest, end))
        seen = (torch.from_numpy(padded(values, end - lengths, end)),) if self._exclude_seen else ()
        features = {HISTORY: history} | ({USERS: torch.from_numpy(self._examples.users[rows])} if self._users else {})
        return HistoryBatch(np.asarray(rows, dtype=np.int64), features, seen)

    def target_lists(self, rows: Array) -> list[Array]:
        """Return all targets of each row, including unknown ones (id 2)."""
        return self._examples.target_lists(rows)
