"""The hops of a `two_tower` repository, compared with the trained towers.

preprocess…            see `export.repository.shared_hops`
user_tower             vectors of the golden rows and torch's
item_tower             vectors of items and torch's: all, after a refresh some; then those of the index and its own
exclude_items          the ids of raw items: equal
item_index             top-k of torch's vectors and torch's; for HNSW each score, and at least 95% of the items
decode                 raw ids and the item index's: equal
match                  scores of pairs and the product of both towers' vectors; 0 for unknown ids
retrieve…              each chain and torch's top-k, like `item_index`
"""

from __future__ import annotations

from functools import partial

import numpy as np

from export.data.golden import UNICODE, Arrays
from export.data.latest_requests import encoded_batches, latest_rows
from export.families.two_tower.index.compare import compare_approximate
from export.families.two_tower.plan import (
    EXCLUDE,
    EXCLUDE_ITEMS,
    EXCLUDED,
    GOLDEN_ITEMS,
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
from export.families.two_tower.vectors import Vectors, current_items, fitted_items, item_vectors, read_item_vectors
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.hop import Hop
from export.parity.local import LocalRepository
from export.repository.feature_requests import FeatureJob
from export.repository.job import blank
from export.repository.shared_hops import Ranking, chain_answers, decode_hop, preprocessing_hops
from export.triton.ensembles import served_chains
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID

_PAIRS = 64
_REFRESH_AGAIN = "run `export items` again if items.parquet was changed since, else report it"


def hops(job: FeatureJob, plan: RetrievalPlan) -> tuple[Hop, ...]:
    """Return the hops in the order of the chain."""
    chains = served_chains(plan, RETRIEVE, fused=RETRIEVE_FUSED, by_nvtabular=RETRIEVE_NVTABULAR)
    return (
        *preprocessing_hops(job, plan),
        Hop(USER_TOWER, partial(_check_user_tower, job, plan)),
        Hop(ITEM_TOWER, partial(_check_item_tower, job, plan)),
        Hop(EXCLUDE_ITEMS, partial(_check_exclude, job, plan)),
        Hop(ITEM_INDEX, partial(_check_index, job, plan)),
        decode_hop(job),
        Hop(MATCH, partial(_check_match, job, plan)),
        *(Hop(chain, partial(_check_chain, job, plan, chain)) for chain in chains),
    )


def nothing_excluded(rows: int) -> Arrays:
    """Return the tensors of a request besides its features, for `rows` rows without excluded items."""
    return {EXCLUDE.name: blank(rows)}


def _check_user_tower(job: FeatureJob, plan: RetrievalPlan) -> float:
    users = {USER_VECTOR: job.golden(plan.family)[USER_VECTOR]}
    return compare_tensors(USER_TOWER, users, job.local.run_step(RETRIEVE, USER_TOWER, job.requests.encoded))


def require_item_tower(job: FeatureJob, plan: RetrievalPlan, local: LocalRepository) -> float:
    """Return the largest difference of the exported tower's vectors from torch's.

    All items are compared, after a refresh the golden ones: the index has replaced the vectors of the others. Raises
    `ParityError` beyond the tolerance.
    """
    golden = job.golden(plan.family)
    ids, expected = golden[GOLDEN_ITEMS], golden[ITEM_VECTOR]
    vectors = item_vectors(local, fitted_items(job.schema, job.requests.data))
    largest = compare_tensors(ITEM_TOWER, {ITEM_VECTOR: expected}, {ITEM_VECTOR: vectors[ids]})
    if plan.refreshed:
        return largest
    return max(largest, compare_tensors(ITEM_TOWER, {ITEM_VECTOR: _served_vectors(job, plan)}, {ITEM_VECTOR: vectors}))


def _check_item_tower(job: FeatureJob, plan: RetrievalPlan) -> float:
    largest = require_item_tower(job, plan, job.local)
    if plan.refreshed:
        current = {ITEM_VECTOR: item_vectors(job.local, current_items(job.fitted, job.requests.data))}
        served = {ITEM_VECTOR: _served_vectors(job, plan)}
        compare_tensors(ITEM_TOWER, served, current, with_what="item index", remedy=_REFRESH_AGAIN)
    return largest


def _check_exclude(job: FeatureJob, plan: RetrievalPlan) -> float:
    """Return 0 if every raw id is encoded, other strings are padding, and sequences come first; raise otherwise."""
    raw = [*job.item_ids, UNICODE]
    sequences = [np.resize(job.requests.encoded[each.name], (len(raw), 1)) for each in plan.excluded_sequences]
    tensors = {each.name: ids for each, ids in zip(plan.excluded_sequences, sequences, strict=True)}
    tensors[EXCLUDE.name] = np.array([[each.encode()] for each in raw], dtype=np.object_)
    places = np.r_[np.arange(len(job.item_ids)), PADDING_ID][:, None]
    expected = np.concatenate([*sequences, np.where(places >= FIRST_KNOWN_ID, places, PADDING_ID)], axis=1)
    found = job.local.run_step(RETRIEVE, EXCLUDE_ITEMS, tensors)
    return compare_tensors(EXCLUDE_ITEMS, {EXCLUDED.name: expected}, found, 0.0)


def _check_index(job: FeatureJob, plan: RetrievalPlan) -> float:
    users = {USER_VECTOR: job.golden(plan.family)[USER_VECTOR]}
    tensors = {**job.requests.encoded, **nothing_excluded(len(job.requests.rows))}
    excluded = job.local.run_step(RETRIEVE, EXCLUDE_ITEMS, tensors)
    ranked = job.local.run_step(RETRIEVE, ITEM_INDEX, {**users, **excluded})
    return _compare(ITEM_INDEX, job, plan, (ranked[ITEM_IDS], ranked[SCORE]))


def _check_match(job: FeatureJob, plan: RetrievalPlan) -> float:
    """Compare the scores of some users, each with a known item, and of pairs with an unknown id."""
    users, tensors = next(encoded_batches(latest_rows(job.requests.data), job.requests.features, _PAIRS))
    own = job.local.run_step(RETRIEVE, USER_TOWER, tensors)[USER_VECTOR]
    known = np.arange(len(job.item_ids))[FIRST_KNOWN_ID:]
    items = np.random.default_rng(0).choice(known, size=len(users))
    pairs = [(user, job.item_ids[item]) for user, item in zip(users, items.tolist(), strict=True)]
    pairs += [(users[0], UNICODE), (UNICODE, job.item_ids[known[0]]), ("", "")]
    columns = zip(PAIR, zip(*pairs, strict=True), strict=True)
    arrays = {tensor.name: np.array([[each.encode()] for each in ids], dtype=np.object_) for tensor, ids in columns}
    products = np.einsum("nd,nd->n", own, _served_vectors(job, plan)[items])
    expected = np.r_[products, 0, 0, 0].astype(np.float32)[:, None]
    return compare_tensors(MATCH, {SCORE: expected}, job.local.run(MATCH, arrays))


def _check_chain(job: FeatureJob, plan: RetrievalPlan, chain: str) -> float:
    return _compare(chain, job, plan, chain_answers(job, chain, nothing_excluded))


def _compare(hop: str, job: FeatureJob, plan: RetrievalPlan, found: Ranking) -> float:
    golden = job.golden(plan.family)
    if plan.index == "exact":
        return compare_rankings(hop, golden, *found)
    return compare_approximate(hop, golden, _served_vectors(job, plan), *found)


def _served_vectors(job: FeatureJob, plan: RetrievalPlan) -> Vectors:
    return read_item_vectors(job.folder, job.fitted.items, plan.dim)
