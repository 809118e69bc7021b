"""The comparison of two stages with torch for an approximate index and for a refreshed one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.errors import IF_CHANGED, ParityError
from export.parity.compare import TOLERANCE, require_distinct, require_recall
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID


def compare_found(
    hop: str, expected: Arrays, ids: NDArray[np.int64], score: NDArray[np.float32], tolerance: float = TOLERANCE
) -> float:
    """Return the largest difference of the scores of items that both found.

    Raises `ParityError` beyond the tolerance, if an item occurs twice, or if too few of torch's items are found.
    """
    require_distinct(hop, ids)
    largest = 0.0
    for row, (wanted_ids, wanted) in enumerate(zip(expected[ITEM_IDS].tolist(), expected[SCORE].tolist(), strict=True)):
        of_item = {item: value for item, value in zip(wanted_ids, wanted, strict=True) if item != PADDING_ID}
        found = zip(ids[row].tolist(), score[row].tolist(), strict=True)
        largest = max([largest, *(abs(value - of_item[item]) for item, value in found if item in of_item)])
    if not largest <= tolerance:
        raise ParityError(
            f"{hop}: score differs from the trained model by {largest:.3g}, {tolerance:g} is allowed: {IF_CHANGED}"
        )
    require_recall(hop, expected[ITEM_IDS], ids)
    return largest


def first_ranks(catalogue: Arrays, candidates: list[NDArray[np.int64]]) -> tuple[Arrays, NDArray[np.bool_]]:
    """Return the first ranks of two stages that follow from torch's best K of the whole catalogue, and their positions.

    For any candidates, those among torch's best K of the catalogue come first, with the scores that they have
    there; items that tie with the last of the K are left out.

    Args:
        catalogue: item_ids and score [N, K] of the whole catalogue.
        candidates: Ranked ids, each [N, *].

    Returns:
        item_ids and score [N, K], id 0 and -inf for unknown ranks; whether each rank is known, [N, K].

    """
    ids, scores = np.zeros_like(catalogue[ITEM_IDS]), np.full_like(catalogue[SCORE], -np.inf)
    for row, (items, values) in enumerate(zip(catalogue[ITEM_IDS], catalogue[SCORE], strict=True)):
        ranked = np.concatenate([each[row] for each in candidates])
        known = (items != PADDING_ID) & np.isin(items, ranked) & (values > values[-1] + TOLERANCE)
        count = int(known.sum())
        ids[row, :count], scores[row, :count] = items[known], values[known]
    return {ITEM_IDS: ids, SCORE: scores}, ids != PADDING_ID
