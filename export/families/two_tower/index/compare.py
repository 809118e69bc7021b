"""The comparison of an approximate index with exact answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.families.two_tower.plan import USER_VECTOR
from export.families.two_tower.vectors import Vectors
from export.parity.compare import TOLERANCE, compare_tensors, require_distinct, require_recall
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID


def compare_approximate(
    hop: str, expected: Arrays, vectors: Vectors, ids: NDArray[np.int64], score: Vectors, tolerance: float = TOLERANCE
) -> float:
    """Return the largest difference of scores from the dot products.

    Raises `ParityError` beyond the tolerance, if an item occurs twice, or if too few of the exact answer's
    items are found.
    """
    products = np.einsum("nd,nkd->nk", expected[USER_VECTOR], vectors[ids])
    is_item = ids != PADDING_ID
    difference = compare_tensors(
        hop, {SCORE: np.where(is_item, products, -np.inf).astype(np.float32)}, {SCORE: score}, tolerance
    )
    require_distinct(hop, ids)
    require_recall(hop, expected[ITEM_IDS], ids)
    return difference
