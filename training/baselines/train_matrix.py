"""The training sequences of a data folder as a sparse matrix of sequences by items, for neighbour methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema
from training.examples.histories import HISTORY, HistoryRows
from training.examples.moments import Array
from training.examples.sequence_file import SequencesError, read_users
from training.families.family import RankedBatch

MOST_ITEMS = 1_000
"""The newest items of a sequence that count; the cost of a sequence is the square of its items."""


def train_matrix(data: str | Path, fitted: FittedSchema) -> sp.csr_array:
    """Return which items each sequence has, [S, I] of 0 and 1, the newest sequence (by its last item) first.

    A sequence is a user, or a session where the log has no users, with two training items or more.

    Raises:
        SequencesError: There is no such sequence.

    """
    sequence, item, ends, before = [], [], [], 0
    for users in read_users(data, ("items", "instants")):
        taken = np.flatnonzero(users.trains() & (users.columns["items"] >= FIRST_KNOWN_ID))
        owner = users.user[taken]
        from_last = np.searchsorted(owner, owner, side="right") - 1 - np.arange(len(owner))
        newest = from_last < MOST_ITEMS
        sequence.append(owner[newest] + before)
        item.append(users.columns["items"][taken][newest])
        count = int(users.user[-1]) + 1
        end = np.full(count, np.iinfo(np.int64).min)
        end[owner] = users.columns["instants"][taken]
        ends.append(end)
        before += count
    newest_first = np.argsort(np.concatenate(ends), kind="stable")[::-1]
    rank = np.empty(before, dtype=np.int64)
    rank[newest_first] = np.arange(before)
    cells = np.unique(rank[np.concatenate(sequence)] * fitted.items + np.concatenate(item))
    row, column = np.divmod(cells, fitted.items)
    ones = np.ones(len(cells), dtype=np.float32)
    matrix = sp.csr_array((ones, (row, column)), shape=(before, fitted.items))
    some = matrix[np.diff(matrix.indptr) >= 2]
    if not some.nnz:
        raise SequencesError(f"{data}: no sequence has two training items: no item has a neighbour")
    return some


class RecentItems:
    """The newest items of the histories of a split's rows, whatever features the ranked family reads."""

    def __init__(self, data: str | Path, split: str, fitted: FittedSchema, count: int) -> None:
        self._rows = HistoryRows(data, split, fitted, count, exclude_seen=False)

    def of(self, batch: RankedBatch) -> tuple[Array, Array, Array]:
        """Return place in the batch, position from the end of the history (0 is the newest) and item, [T] each."""
        history = self._rows.batch(batch.index).features[HISTORY].numpy()
        row, place = np.nonzero(history)
        lengths = (history != 0).sum(axis=1)
        return row, lengths[row] - 1 - place, history[row, place]
