"""The comparison of a hop's answer with the expected one, which refuses differences beyond the tolerance.

Ids may differ only if scores tie: the scores of the found and the expected id are not further apart
than the tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.errors import IF_CHANGED, ParityError
from export.triton.tensors import ENCODED, ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID

TOLERANCE = 1e-4
LEAST_RECALL = 0.95
"""The least recall of an approximate index over the golden rows, which are few and partly malformed."""


def compare_tensors(
    hop: str,
    expected: Arrays,
    found: Arrays,
    tolerance: float = TOLERANCE,
    with_what: str = "trained model",
    remedy: str = IF_CHANGED,
) -> float:
    """Return the largest difference between tensors of equal names.

    Raises `ParityError`, which ends with `remedy`, beyond the tolerance.
    """
    largest = 0.0
    for name, values in expected.items():
        other = found.get(name)
        if other is None or other.shape != values.shape or other.dtype != values.dtype:
            seen = "missing" if other is None else f"{other.dtype} {list(other.shape)}"
            raise ParityError(f"{hop}: {name} is {seen}, expected {values.dtype} {list(values.shape)}: {remedy}")
        difference = float(_differences(values, other).max(initial=0.0))
        limit = tolerance if values.dtype.kind == "f" else 0.0
        if not difference <= limit:
            shown = name.removesuffix(ENCODED)
            raise ParityError(
                f"{hop}: {shown} differs from the {with_what} by {difference:.3g}, {limit:g} is allowed: {remedy}"
            )
        largest = max(largest, difference)
    return largest


def compare_rankings(
    hop: str, expected: Arrays, ids: NDArray[np.int64], score: NDArray[np.float32], tolerance: float = TOLERANCE
) -> float:
    """Return the largest difference of scores [N, K], rank by rank.

    Raises `ParityError` beyond the tolerance, or by an id.
    """
    difference = compare_tensors(hop, {SCORE: expected[SCORE]}, {SCORE: score}, tolerance)
    require_distinct(hop, ids)
    for row in np.flatnonzero((ids != expected[ITEM_IDS]).any(axis=1)).tolist():
        wanted_ids, wanted = expected[ITEM_IDS][row], expected[SCORE][row]
        of_item = dict(zip(wanted_ids.tolist(), wanted.tolist(), strict=True))
        # An id that torch ranked below the last rank can only tie with that rank.
        of_found = np.array([of_item.get(item, wanted[-1]) for item in ids[row].tolist()])
        no_item = (ids[row] == PADDING_ID) | (wanted_ids == PADDING_ID)
        wrong = (ids[row] != wanted_ids) & (no_item | (_differences(wanted, of_found) > tolerance))
        if wrong.any():
            rank = int(wrong.argmax())
            seen = f"golden row {row}, rank {rank + 1} is item {ids[row][rank]}"
            raise ParityError(f"{hop}: {seen}, the trained model has {wanted_ids[rank]}: {IF_CHANGED}")
    return difference


def require_distinct(hop: str, ids: NDArray[np.int64]) -> None:
    """Raise `ParityError` if an item occurs twice in a row of `ids` [N, K]."""
    for row, items in enumerate(ids):
        filled = items[items != PADDING_ID]
        if len(np.unique(filled)) < len(filled):
            raise ParityError(f"{hop}: golden row {row}, an item occurs twice: {IF_CHANGED}")


def require_recall(hop: str, expected: NDArray[np.int64], ids: NDArray[np.int64]) -> None:
    """Raise `ParityError` if `ids` have fewer than `LEAST_RECALL` of the `expected` items, each [N, K]."""
    wanted = [row[row != PADDING_ID] for row in expected]
    hits = sum(int(np.isin(row, found).sum()) for row, found in zip(wanted, ids, strict=True))
    total = sum(map(len, wanted))
    if hits < LEAST_RECALL * total:
        raise ParityError(
            f"{hop}: finds {hits} of {total} items of the exact answers, {LEAST_RECALL:.0%} expected: use --index exact"
        )


def _differences(values: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return absolute differences: 0 for equal infinities and two NaN, infinite for other such pairs."""
    with np.errstate(invalid="ignore"):
        same = (values == other) | ((values != values) & (other != other))
        apart = np.abs(values.astype(np.float64) - other.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
