"""Hold the chain of two stages against the trained models; what they share is held by `verify` of either family.

hop                    compared
candidate_ranker       top-k of the exported graph, given torch's state and candidates, with torch's
retrieve_and_rank…     each chain with torch's top-k; where the index is approximate, the scores of the items that both
                       found, and at least 95% of torch's items
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, read_item_ids, request_tensors
from export.errors import ParityError
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED
from export.families.two_tower.hops import LEAST_RECALL
from export.families.two_tower.plan import CANDIDATES, EXCLUDE, EXCLUDE_ITEMS
from export.parity.answers import Reference, encode_rows
from export.parity.compare import TOLERANCE, Differences, compare_rankings, decoded_answers, requests_of
from export.parity.local import LocalRepository
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID, read_fitted
from stage.progress import Report

CHAINS = (RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED)
HOPS = (CANDIDATE_RANKER, *CHAINS)


def verify_two_stages(
    folder: Path, data: Path, is_exact: bool, state: Arrays, reference: Reference, report: Report
) -> Differences:
    """The largest difference of each hop. Raises `ParityError` at the first that is beyond the tolerance.

    Args:
        folder: The repository.
        data: What it was exported from.
        is_exact: Whether the index is.
        state: Torch's offline state of the golden rows, [N, ...].
        reference: Golden rows; torch's candidates [N, C], item_ids and score [N, K].
        report: Told which hop begins.

    """
    local, features = LocalRepository(folder), read_fitted(folder).schema_.request_features
    expected = reference.answers
    report(f"verify {CANDIDATE_RANKER}")
    found = rank_candidates(local, data, state, reference)
    differences = {CANDIDATE_RANKER: compare_rankings(CANDIDATE_RANKER, expected, found[ITEM_IDS], found[SCORE])}

    encoded_ids = {item: place for place, item in reversed(list(enumerate(read_item_ids(data))))}
    compare = compare_rankings if is_exact else compare_found
    for chain in filter(local.holds, CHAINS):
        report(f"verify {chain}")
        answers = [
            local.run(chain, {**request_tensors(features, rows), **_nothing_excluded(len(rows))})
            for rows in requests_of(reference)
        ]
        differences[chain] = compare(chain, expected, *decoded_answers(answers, encoded_ids))
    return differences


def rank_candidates(local: LocalRepository, data: Path, state: Arrays, reference: Reference) -> Arrays:
    """What the exported ranker answers to torch's state and the candidates of `reference`."""
    features = read_fitted(local.folder).schema_.request_features
    tensors = {**encode_rows(features, data, reference.rows), **state, CANDIDATES: reference.answers[CANDIDATES]}
    excluded = local.run_step(RETRIEVE_AND_RANK, EXCLUDE_ITEMS, {**tensors, **_nothing_excluded(len(reference.rows))})
    return local.run_step(RETRIEVE_AND_RANK, CANDIDATE_RANKER, {**tensors, **excluded})


def compare_found(
    hop: str, expected: Arrays, ids: NDArray[np.int64], score: NDArray[np.float32], tolerance: float = TOLERANCE
) -> float:
    """The largest difference of the scores of items that both found.

    Raises `ParityError` beyond the tolerance, where an item stands twice, or where too few of torch's items are there.
    """
    largest, hits, total = 0.0, 0, 0
    for row, (wanted_ids, wanted) in enumerate(zip(expected[ITEM_IDS].tolist(), expected[SCORE].tolist(), strict=True)):
        of_item = {item: value for item, value in zip(wanted_ids, wanted, strict=True) if item != PADDING_ID}
        found = [(i, s) for i, s in zip(ids[row].tolist(), score[row].tolist(), strict=True) if i != PADDING_ID]
        if len({item for item, _ in found}) < len(found):
            raise ParityError(f"{hop}: golden row {row}, an item stands twice: export the repository again")
        both = [(item, value) for item, value in found if item in of_item]
        hits, total = hits + len(both), total + len(of_item)
        largest = max([largest, *(abs(value - of_item[item]) for item, value in both)])
    if not largest <= tolerance:
        raise ParityError(
            f"{hop}: score differs from the trained model by {largest:.3g}, {tolerance:g} is allowed: "
            "export the repository again"
        )
    if hits < LEAST_RECALL * total:
        raise ParityError(
            f"{hop}: finds {hits} of {total} items of the exact answers, {LEAST_RECALL:.0%} expected: use --index exact"
        )
    return largest


def _nothing_excluded(rows: int) -> dict[str, NDArray[Any]]:
    return {EXCLUDE.name: np.full((rows, 1), b"", dtype=np.object_)}
