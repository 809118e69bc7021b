"""The comparison of an approximate index with exact answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.errors import IF_CHANGED, ParityError
from export.families.two_tower.plan import USER_VECTOR
from export.families.two_tower.vectors import Vectors
from export.parity.compare import LEAST_RECALL, TOLERANCE, compare_tensors
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID


def compare_approximate(
    hop: str, expected: Arrays, vectors: Vectors, ids: NDArray[np.int64], score: Vectors, tolerance: float = TOLERANCE
) -> float:
    """Return the largest difference of scores from the dot products.

    Raises `ParityError` beyond the tolerance, if an item occurs twice, or if too few of the exact answer's
    items are found.
    """
    users, wanted = expected[USER_VECTOR], expected[ITEM_IDS]
    products = np.einsum("nd,nkd->nk", users, vectors[ids])
    is_item = ids != PADDING_ID
    difference = compare_tensors(
        hop, {SCORE: np.where(is_item, products, -np.inf).astype(np.float32)}, {SCORE: score}, tolerance
    )
    hits = total = 0
    for row, (own, others) in enumerate(zip(ids.tolist(), wanted.tolist(), strict=True)):
        kept, right = [i for i in own if i != PADDING_ID], {i for i in others if i != PADDING_ID}
        if len(set(kept)) < len(kept):
            raise ParityError(f"{hop}: golden row {row}, an item occurs twice: {IF_CHANGED}")
        hits += len(right.intersection(kept))
        total += len(right)
    if hits < LEAST_RECALL * total:
        raise ParityError(
            f"{hop}: finds {hits} of {total} items of the exact answers, {LEAST_RECALL:.0%} expected: use --index exact"
        )
    return difference
