"""The hops of a next-item repository, compared with the trained model.

history_ids        ids, popular list, reason and share of known ids, and those that Python finds: equal
RANKER             top-k of the exported graph, given the ids that Python finds, and torch's
decode_next_item   raw ids and reasons: equal
similar_items      nearest items of the exported graph, and torch's
next_item…         each chain and torch's top-k, its reason and its share of known ids
"""

from __future__ import annotations

from functools import partial

import numpy as np

from export.data.golden import Arrays
from export.errors import IF_CHANGED, ParityError
from export.next_item.plan import (
    DECODE_NEXT_ITEM,
    EXCLUDED,
    HISTORY_IDS,
    KNOWN,
    NEXT_ITEM,
    NEXT_ITEM_FUSED,
    POPULAR,
    REASON,
    REASON_CODE,
    SIMILAR_ITEMS,
    SIMILAR_REASONS,
    NextItemPlan,
)
from export.next_item.reference import SIMILAR
from export.next_item.requests import HistoryJob
from export.parity.answers import decoded_answers, requests_of
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.hop import Hop
from export.triton.ensembles import served_chains
from export.triton.tensors import ITEM_ID, ITEM_IDS, SCORE
from preprocessing.ragged import pad_lists
from preprocessing.schema import FIRST_KNOWN_ID


def hops(job: HistoryJob, plan: NextItemPlan) -> tuple[Hop, ...]:
    """Return the hops in the order of the chain."""
    return (
        Hop(HISTORY_IDS, partial(_check_ids, job, plan)),
        Hop(plan.family, partial(_check_ranker, job, plan)),
        Hop(DECODE_NEXT_ITEM, partial(_check_decode, job, plan)),
        Hop(SIMILAR_ITEMS, partial(_check_similar, job, plan)),
        *(
            Hop(chain, partial(_check_chain, job, plan, chain))
            for chain in served_chains(plan, NEXT_ITEM, fused=NEXT_ITEM_FUSED)
        ),
    )


def _encoded(job: HistoryJob, plan: NextItemPlan) -> list[Arrays]:
    """Return the ranker's inputs for the golden rows by Python, request by request."""
    requests, place, found = job.requests, 0, []
    lists = job.golden(plan.family)[POPULAR.name]
    for rows in requests_of(requests.rows):
        newest = [np.array(requests.newest(row, plan.max_length), dtype=np.int64) for row in rows]
        excluded = [np.array(requests.excluded(row, plan.exclude_seen), dtype=np.int64) for row in rows]
        ids = {plan.encoded[0].name: pad_lists(newest), EXCLUDED.name: pad_lists(excluded)}
        found.append({**ids, POPULAR.name: lists[place : place + len(rows)]})
        place += len(rows)
    return found


def _check_ids(job: HistoryJob, plan: NextItemPlan) -> float:
    history, golden = plan.encoded[0].name, job.golden(plan.family)
    answers = [job.local.run(HISTORY_IDS, tensors) for tensors in job.golden_tensors]
    for expected, found in zip(_encoded(job, plan), answers, strict=True):
        ids = {history: expected[history], EXCLUDED.name: _as_sets(expected[EXCLUDED.name])}
        seen = {history: found[history], EXCLUDED.name: _as_sets(found[EXCLUDED.name])}
        compare_tensors(HISTORY_IDS, ids, seen, 0.0, "ids of the model")
    names = (REASON_CODE.name, *((POPULAR.name,) if plan.contexts else ()))
    exact = {name: golden[name] for name in names}
    together = {name: np.concatenate([each[name] for each in answers]) for name in (*names, KNOWN.name)}
    compare_tensors(HISTORY_IDS, exact, together, 0.0, "ids of the model")
    return compare_tensors(HISTORY_IDS, {KNOWN.name: golden[KNOWN.name]}, together)


def _as_sets(ids: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Return the known ids of each row once, in order, padded right with 0."""
    return pad_lists([np.unique(row[row >= FIRST_KNOWN_ID]) for row in ids])


def _check_ranker(job: HistoryJob, plan: NextItemPlan) -> float:
    ranked = [job.local.run_step(NEXT_ITEM, plan.family, tensors) for tensors in _encoded(job, plan)]
    found = {name: np.concatenate([each[name] for each in ranked]) for name in (ITEM_IDS, SCORE)}
    return compare_rankings(plan.family, job.golden(plan.family), found[ITEM_IDS], found[SCORE])


def _check_decode(job: HistoryJob, plan: NextItemPlan) -> float:
    count = len(job.item_ids)
    rows = max(-(-count // plan.top_k), len(plan.reasons))
    ids = np.resize(np.arange(count, dtype=np.int64), (rows, plan.top_k))
    codes = np.resize(np.arange(len(plan.reasons), dtype=np.int64), (rows, 1))
    decoded = job.local.run(DECODE_NEXT_ITEM, {ITEM_IDS: ids, REASON_CODE.name: codes})
    if decoded[ITEM_ID].tolist() != [[job.item_ids[each] for each in row] for row in ids]:
        raise ParityError(f"{DECODE_NEXT_ITEM}: its raw ids differ from those of the item index: {IF_CHANGED}")
    if decoded[REASON.name].tolist() != [[plan.reasons[code]] for [code] in codes]:
        raise ParityError(f"{DECODE_NEXT_ITEM}: its reasons are not {', '.join(plan.reasons)}: {IF_CHANGED}")
    return 0.0


def _check_similar(job: HistoryJob, plan: NextItemPlan) -> float:
    golden, rows = job.golden(plan.family), job.requests.rows
    found = job.local.run(SIMILAR_ITEMS, job.requests.items(rows))
    expected = {name: golden[SIMILAR + name] for name in (ITEM_IDS, SCORE)}
    is_known = [job.requests.ids([each.decode()])[0] >= FIRST_KNOWN_ID for [each] in job.requests.items(rows)["item"]]
    if [reason for [reason] in found[REASON.name].tolist()] != [SIMILAR_REASONS[not known] for known in is_known]:
        raise ParityError(f"{SIMILAR_ITEMS}: a reason is not {' or '.join(SIMILAR_REASONS)}: {IF_CHANGED}")
    return compare_rankings(SIMILAR_ITEMS, expected, *decoded_answers([found], job.encoded_ids))


def _check_chain(job: HistoryJob, plan: NextItemPlan, chain: str) -> float:
    golden = job.golden(plan.family)
    answers = [job.local.run(chain, tensors) for tensors in job.golden_tensors]
    reasons = [plan.reasons.index(reason) for each in answers for [reason] in each[REASON.name].tolist()]
    about = {REASON_CODE.name: np.array(reasons)[:, None], KNOWN.name: np.concatenate([a[KNOWN.name] for a in answers])}
    apart = compare_tensors(chain, {name: golden[name] for name in about}, about)
    return max(apart, compare_rankings(chain, golden, *decoded_answers(answers, job.encoded_ids)))
