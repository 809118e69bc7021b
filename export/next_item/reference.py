"""The trained model's answers to golden histories in torch, one at a time, with which every hop is compared.

This path is independent of the graphs: Python looks ids up, filters and cuts, and the model ranks one history.
"""

from __future__ import annotations

import numpy as np

from export.data.golden import Arrays, Row
from export.next_item.plan import EMPTY, HISTORY, ITEM, KNOWN, MODEL, NO_KNOWN, POPULAR, REASON_CODE, NextItemPlan
from export.next_item.popular import PopularLists, read_popular
from export.next_item.requests import HistoryJob, HistoryRequests, slow_answers
from export.parity.answers import best_items
from export.repository.models import Models
from export.repository.written import TorchAnswers
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID

SIMILAR = "similar."
"""Prefix of the answers of `similar_items`."""


def reference(job: HistoryJob, plan: NextItemPlan, models: Models) -> TorchAnswers:
    """Return item_ids and score [N, K], reason_code, known and popular list [N, 1], and the similar items [N, K]."""
    trained, requests = models[plan.family], job.requests
    popular, table = read_popular(trained.folder), trained.whole.catalogue().detach()
    found = []
    for row in requests.rows:
        newest, excluded = requests.newest(row, plan.max_length), requests.excluded(row, plan.exclude_seen)
        chosen = popular.of(row)
        ranked = (
            slow_answers(trained.whole, table, newest, excluded, plan.top_k)
            if newest
            else _popular_answers(popular, chosen, set(excluded), plan.top_k)
        )
        about = {
            REASON_CODE.name: np.array([[_reason(requests, row, plan, popular, chosen)]]),
            KNOWN.name: np.array([[_known(requests, row)]], dtype=np.float32),
            POPULAR.name: np.array([[chosen]]),
        }
        found.append({**ranked, **about, **_similar(requests, row, table, plan.top_k)})
    return TorchAnswers({name: np.concatenate([each[name] for each in found]) for name in found[0]})


def _popular_answers(popular: PopularLists, chosen: int, excluded: set[int], top_k: int) -> Arrays:
    listed = zip(popular.items[chosen].tolist(), popular.purchases[chosen].tolist(), strict=True)
    free = [(item, score) for item, score in listed if item >= FIRST_KNOWN_ID and item not in excluded][:top_k]
    free += [(PADDING_ID, -np.inf)] * (top_k - len(free))
    items, scores = zip(*free, strict=True)
    return {ITEM_IDS: np.array([items], dtype=np.int64), SCORE: np.array([scores], dtype=np.float32)}


def _reason(requests: HistoryRequests, row: Row, plan: NextItemPlan, popular: PopularLists, chosen: int) -> int:
    if requests.newest(row, 1):
        return plan.reasons.index(MODEL)
    why = NO_KNOWN if any(row[HISTORY.name]) else EMPTY
    feature = int(popular.feature[chosen])
    by = f"popular by {popular.contexts[feature - 1]}" if feature else "popular"
    return plan.reasons.index(f"{by}: {why}")


def _known(requests: HistoryRequests, row: Row) -> float:
    given = [each for each in requests.ids(row[HISTORY.name]) if each != PADDING_ID]
    return sum(each >= FIRST_KNOWN_ID for each in given) / max(1, len(given))


def _similar(requests: HistoryRequests, row: Row, table: object, top_k: int) -> Arrays:
    import torch

    assert isinstance(table, torch.Tensor)
    [item] = requests.ids([row[ITEM.name]])
    if item < FIRST_KNOWN_ID:
        scores = torch.full((1, len(table)), -torch.inf)
    else:
        scores = torch.cosine_similarity(table[item][None].double(), table.double(), dim=1).float()[None]
        scores[:, [*range(FIRST_KNOWN_ID), item]] = -torch.inf
    return {SIMILAR + name: values for name, values in best_items(scores, top_k).items()}
