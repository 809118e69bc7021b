"""Hold every hop of a `two_tower` repository against the trained towers; refuse one that differs.

hop                    compared
preprocess…            as for the other family (see `export.parity.compare`)
torch_parts            each tower, loaded alone, with the whole model: equal
user_tower             vectors of the golden rows with torch's
item_tower             vectors of all items with torch's; after a refresh with those that the index holds
exclude_items          the ids of raw items: equal
item_index             top-k of torch's vectors with torch's; of HNSW each score, and at least 95% of the items
decode                 raw ids with the item index: equal
match                  scores of pairs with the product of both towers' vectors; 0 for unknown ids
retrieve…              each chain with torch's top-k, as `item_index`
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.data.golden import UNICODE, Arrays, read_item_ids, request_tensors
from export.data.latest_requests import encoded_batches, latest_rows
from export.errors import ParityError
from export.families.offline_online.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR
from export.families.two_tower.plan import (
    EXCLUDE,
    EXCLUDE_ITEMS,
    EXCLUDED,
    ITEM_INDEX,
    ITEM_TOWER,
    ITEM_VECTOR,
    MATCH,
    PAIR,
    RETRIEVE,
    RETRIEVE_FUSED,
    RETRIEVE_NVTABULAR,
    USER_TOWER,
    USER_VECTOR,
    RetrievalPlan,
)
from export.families.two_tower.vectors import Vectors, item_vectors
from export.parity.answers import Reference, encode_rows
from export.parity.compare import (
    TOLERANCE,
    Differences,
    compare_rankings,
    compare_tensors,
    decoded_answers,
    requests_of,
    verify_decode,
    verify_preprocessing,
)
from export.parity.local import LocalRepository
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID, read_fitted
from stage.progress import Report

ENSEMBLES = (RETRIEVE, RETRIEVE_NVTABULAR, RETRIEVE_FUSED)
HOPS = (
    *(PREPROCESS, PREPROCESS_NVTABULAR, USER_TOWER, ITEM_TOWER, EXCLUDE_ITEMS, ITEM_INDEX, DECODE, MATCH),
    *ENSEMBLES,
)
LEAST_RECALL = 0.95
"""Of an approximate index, over the golden rows: few, and strange ones among them."""
_PAIRS = 64


def verify_retrieval(
    folder: Path, data: Path, plan: RetrievalPlan, reference: Reference, items: Arrays, vectors: Vectors, report: Report
) -> Differences:
    """The largest difference of each hop. Raises `ParityError` at the first that is beyond the tolerance.

    Args:
        folder: The repository.
        data: What it was exported from.
        plan: What it was exported as.
        reference: Golden rows and torch's answers to them.
        items: What `item_tower` takes for every id, [I, ...].
        vectors: What the index is to hold, [I, D].
        report: Told which hop begins.

    """
    local = LocalRepository(folder)
    features, item_ids = plan.schema.request_features, read_item_ids(data)
    encoded = encode_rows(features, data, reference.rows)
    differences = verify_preprocessing(local, read_fitted(folder), data, encoded, reference, report)

    report(f"verify {USER_TOWER}")
    users = {USER_VECTOR: reference.answers[USER_VECTOR]}
    differences[USER_TOWER] = compare_tensors(USER_TOWER, users, local.run_step(RETRIEVE, USER_TOWER, encoded))
    report(f"verify {ITEM_TOWER}")
    found = {ITEM_VECTOR: item_vectors(local, items)}
    differences[ITEM_TOWER] = compare_tensors(ITEM_TOWER, {ITEM_VECTOR: vectors}, found)
    report(f"verify {EXCLUDE_ITEMS}")
    differences[EXCLUDE_ITEMS] = _verify_exclude(local, plan, encoded, item_ids)

    report(f"verify {ITEM_INDEX}")
    nothing = np.full((len(reference.rows), 1), b"", dtype=np.object_)
    excluded = local.run_step(RETRIEVE, EXCLUDE_ITEMS, {**encoded, EXCLUDE.name: nothing})
    ranked = local.run_step(RETRIEVE, ITEM_INDEX, {**users, **excluded})
    differences[ITEM_INDEX] = _compare(ITEM_INDEX, plan, reference, vectors, ranked[ITEM_IDS], ranked[SCORE])
    report(f"verify {DECODE}")
    differences[DECODE] = verify_decode(local, item_ids)
    report(f"verify {MATCH}")
    differences[MATCH] = _verify_match(local, plan, data, item_ids, vectors)

    encoded_ids = {item: place for place, item in reversed(list(enumerate(item_ids)))}
    for ensemble in filter(local.holds, ENSEMBLES):
        report(f"verify {ensemble}")
        answers = [
            local.run(ensemble, {**request_tensors(features, rows), EXCLUDE.name: nothing[: len(rows)]})
            for rows in requests_of(reference)
        ]
        differences[ensemble] = _compare(ensemble, plan, reference, vectors, *decoded_answers(answers, encoded_ids))
    return differences


def _compare(
    hop: str, plan: RetrievalPlan, reference: Reference, vectors: Vectors, ids: NDArray[np.int64], score: Vectors
) -> float:
    if plan.index == "exact":
        return compare_rankings(hop, reference.answers, ids, score)
    return compare_approximate(hop, reference.answers, vectors, ids, score)


def compare_approximate(
    hop: str, expected: Arrays, vectors: Vectors, ids: NDArray[np.int64], score: Vectors, tolerance: float = TOLERANCE
) -> float:
    """The largest difference of scores from the products that they stand for.

    Raises `ParityError` beyond the tolerance, where an item stands twice, or where too few of the exact answer's
    items are there.
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
            raise ParityError(f"{hop}: golden row {row}, an item stands twice: export the repository again")
        hits += len(right.intersection(kept))
        total += len(right)
    if hits < LEAST_RECALL * total:
        raise ParityError(
            f"{hop}: finds {hits} of {total} items of the exact answers, {LEAST_RECALL:.0%} expected: use --index exact"
        )
    return difference


def _verify_exclude(local: LocalRepository, plan: RetrievalPlan, encoded: Arrays, item_ids: list[str]) -> float:
    """0: every raw id is encoded, what is no item is padding, the sequences stand before them."""
    raw = [*item_ids, UNICODE]
    sequences = [np.resize(encoded[each.name], (len(raw), 1)) for each in plan.excluded_sequences]
    tensors = {each.name: ids for each, ids in zip(plan.excluded_sequences, sequences, strict=True)}
    tensors[EXCLUDE.name] = np.array([[each.encode()] for each in raw], dtype=np.object_)
    places = np.r_[np.arange(len(item_ids)), PADDING_ID][:, None]
    expected = np.concatenate([*sequences, np.where(places >= FIRST_KNOWN_ID, places, PADDING_ID)], axis=1)
    return compare_tensors(
        EXCLUDE_ITEMS, {EXCLUDED.name: expected}, local.run_step(RETRIEVE, EXCLUDE_ITEMS, tensors), 0.0
    )


def _verify_match(
    local: LocalRepository, plan: RetrievalPlan, data: Path, item_ids: list[str], vectors: Vectors
) -> float:
    """The largest difference of the scores of some users, each with an item of their own and with an unknown one."""
    users, tensors = next(encoded_batches(latest_rows(data), plan.schema.request_features, _PAIRS))
    own = local.run_step(RETRIEVE, USER_TOWER, tensors)[USER_VECTOR]
    known = np.arange(len(item_ids))[FIRST_KNOWN_ID:]
    items = np.random.default_rng(0).choice(known, size=len(users))
    pairs = [(user, item_ids[item]) for user, item in zip(users, items.tolist(), strict=True)]
    pairs += [(users[0], UNICODE), (UNICODE, item_ids[known[0]]), ("", "")]
    columns = zip(PAIR, zip(*pairs, strict=True), strict=True)
    arrays = {tensor.name: np.array([[each.encode()] for each in ids], dtype=np.object_) for tensor, ids in columns}
    expected = np.r_[np.einsum("nd,nd->n", own, vectors[items]), 0, 0, 0].astype(np.float32)[:, None]
    return compare_tensors(MATCH, {SCORE: expected}, local.run(MATCH, arrays))
