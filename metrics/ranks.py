"""The pessimistic rank of each target in its row, from whole rows of scores or from top-K lists.

A row may have several targets, of binary relevance. A target's rank is 1-based and pessimistic: it is counted
behind every item with an equal score that is not a target of the row, so constant scores gain nothing by chance.
Targets with equal scores keep the order in which they are given (with binary relevance, their order
changes no metric).

    rank = 1 + non-targets with at least its score + targets of the row before it

An item with score -inf is not recommended (masked). A target that is not recommended, not in the list or not in
the catalogue has rank 0 and counts as a miss. A row with a known item twice among its targets is refused, since
recall would count it twice; the code that makes the targets has to remove duplicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stage.errors import BadInput


class RankError(BadInput):
    """Scores, lists or targets have no ranks; the message names the row and the remedy."""


class NaNScoreError(RankError):
    """A score is not a number."""


@dataclass(frozen=True)
class TargetRanks:
    """`ranks [M]`: rank of each target, row after row, 0 for a miss; `lengths [N]`: number of targets of each row."""

    ranks: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.lengths.size and self.lengths.min() < 1:
            row = int(np.argmin(self.lengths))
            raise RankError(f"row {row} has no targets: leave rows without targets out")
        if int(self.lengths.sum()) != self.ranks.size:
            raise RankError(f"{self.ranks.size} ranks for {int(self.lengths.sum())} targets: give one rank per target")

    @property
    def rows(self) -> NDArray[np.int64]:
        """Return the row of each target, `[M]`."""
        return np.repeat(np.arange(self.lengths.size, dtype=np.int64), self.lengths)


def target_ranks_from_scores(
    scores: NDArray[np.floating[Any]],
    targets: Sequence[Sequence[int] | NDArray[np.integer[Any]]],
    first_item: int = 0,
) -> TargetRanks:
    """Return ranks over the whole catalogue.

    `scores [N, I]`: one column per item id, -inf if masked; `targets`: N rows of ids. Columns before
    `first_item` (the ids of padding, null and unknown) are not items and are ignored. A target id
    outside `first_item..I-1` is an item outside of the catalogue: a miss, which may occur in a row several
    times, because unknown items share one id. Only the targets' scores are compared, in one pass over the row
    per target and without a copy. Raises NaNScoreError, and RankError on rows without targets and known targets
    given twice.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.shape[0] != len(targets):
        raise RankError(f"scores {list(scores.shape)} for {len(targets)} rows of targets: give scores [rows, items]")
    lengths = _lengths(targets)
    ids = np.concatenate([np.asarray(row, dtype=np.int64) for row in targets]) if lengths.size else lengths
    known = (ids >= first_item) & (ids < scores.shape[1])
    rows = np.repeat(np.arange(lengths.size, dtype=np.int64), lengths)
    keys = rows[known] * max(scores.shape[1], 1) + ids[known]
    unique, counts = np.unique(keys, return_counts=True)
    if unique.size < keys.size:
        row, item = divmod(int(unique[np.argmax(counts > 1)]), scores.shape[1])
        raise RankError(f"row {row} has target {item} more than once: give each target once")
    columns = np.where(known, ids - first_item, -1)
    return TargetRanks(_pessimistic_ranks(scores[:, first_item:], rows, columns), lengths)


def target_ranks_from_lists(
    ids: Sequence[Sequence[Any]] | NDArray[Any],
    scores: Sequence[Sequence[float]] | NDArray[np.floating[Any]],
    targets: Sequence[Sequence[Any]] | Sequence[NDArray[Any]],
) -> TargetRanks:
    """Return ranks within top-K lists, such as the answers of a server.

    `ids [N, K]`: item ids, strings or ints like the targets; `scores [N, K]`: their scores, -inf in empty
    slots; `targets`: N rows of ids. Only the scores matter, not the order within a list. Ranks are
    those of the whole catalogue if K covers the ties at the list's lowest score. Raises RankError on
    NaN scores, an item or target twice in a row, rows without targets, and a mix of bytes and strings.
    """
    values = np.asarray(scores)
    if values.ndim != 2 or values.shape[0] != len(targets) or len(ids) != len(targets):
        raise RankError(
            f"{len(ids)} lists, scores {list(values.shape)} for {len(targets)} rows of targets: give [N, K]"
        )
    lengths = _lengths(targets)
    columns = np.full(int(lengths.sum()), -1, dtype=np.int64)
    empty = values == -np.inf
    any_empty = empty.any(axis=1)
    at = 0
    for row, (listed, wanted) in enumerate(zip(ids, targets, strict=True)):
        slots = _plain(listed)
        if len(slots) != values.shape[1]:
            raise RankError(f"row {row} lists {len(slots)} items for {values.shape[1]} scores: give one score per item")
        place = {item: slot for slot, item in enumerate(slots) if not (any_empty[row] and empty[row, slot])}
        if len(place) < len(slots) - int(empty[row].sum()):
            raise RankError(f"row {row} lists an item more than once: a list must not repeat its items")
        asked = _plain(wanted)
        if len(set(asked)) < len(asked):
            raise RankError(f"row {row} has a target more than once: give each target once")
        _require_same_type(row, place, asked)
        for item in asked:
            columns[at] = place.get(item, -1)
            at += 1
    rows = np.repeat(np.arange(lengths.size, dtype=np.int64), lengths)
    return TargetRanks(_pessimistic_ranks(values, rows, columns), lengths)


def _pessimistic_ranks(
    scores: NDArray[np.floating[Any]], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return ranks `[M]` of the targets at `scores[rows, columns]`; a column of -1 is a miss."""
    if scores.size and np.isnan(scores.min()):
        row = int(np.argmax(np.isnan(scores).any(axis=1)))
        raise NaNScoreError(f"row {row} has a NaN score: scores must be numbers, or -inf for masked items")
    ranks = np.zeros(rows.size, dtype=np.int64)
    found = np.flatnonzero(columns >= 0)
    value = scores[rows[found], columns[found]]
    found, value = found[value > -np.inf], value[value > -np.inf]
    order = np.lexsort((-value, rows[found]))
    found, value = found[order], value[order]
    row_of = rows[found]
    starts = np.searchsorted(row_of, row_of, side="left")
    position = np.arange(found.size) - starts
    at_least = np.empty(found.size, dtype=np.int64)
    for i, (row, threshold) in enumerate(zip(row_of.tolist(), value, strict=True)):
        at_least[i] = np.count_nonzero(scores[row] >= threshold)
    targets_at_least = _last_of_equal(row_of, value) - starts + 1
    ranks[found] = at_least - targets_at_least + position + 1
    return ranks


def _last_of_equal(rows: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """Return for each of the sorted (row, value) pairs the index of the last equal pair, `[M]`."""
    if not rows.size:
        return rows
    ends = np.flatnonzero(np.append((rows[1:] != rows[:-1]) | (values[1:] != values[:-1]), True))
    return np.repeat(ends, np.diff(ends, prepend=-1))


def _lengths(targets: Sequence[Any]) -> NDArray[np.int64]:
    lengths = np.fromiter((len(row) for row in targets), dtype=np.int64, count=len(targets))
    if lengths.size and lengths.min() < 1:
        raise RankError(f"row {int(np.argmin(lengths))} has no targets: leave rows without targets out")
    return lengths


def _plain(row: Any) -> list[Any]:
    return row.tolist() if isinstance(row, np.ndarray) else list(row)


def _require_same_type(row: int, listed: dict[Any, int], asked: list[Any]) -> None:
    item = next(iter(listed), None)
    if item is not None and _family(item) is not _family(asked[0]):
        seen, wanted = type(item).__name__, type(asked[0]).__name__
        raise RankError(f"row {row} lists {seen} ids for {wanted} targets, which never match: give both the same type")


def _family(item: Any) -> type:
    return next((family for family in (str, bytes) if isinstance(item, family)), int)
