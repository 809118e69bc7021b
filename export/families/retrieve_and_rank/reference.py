"""The trained models' answers in two stages in torch: scores of the whole catalogue with other items masked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays
from export.families.retrieve_and_rank.plan import TwoStages
from export.families.retrieve_and_rank.write import served_vectors
from export.families.two_tower.plan import CANDIDATES, USER_VECTOR
from export.families.two_tower.reference import ranking
from export.families.two_tower.vectors import Vectors
from export.parity.answers import best_items, model_features
from export.repository.feature_requests import FeatureJob
from export.repository.models import Models
from export.repository.written import TorchAnswers
from export.triton.tensors import ENCODED, ITEM_IDS
from preprocessing.schema import Sequence
from training.families.offline_online.model import OfflineOnline
from training.layers.exclusion import exclude_items

Ids = NDArray[np.int64]


def reference(job: FeatureJob, plan: TwoStages, models: Models) -> TorchAnswers:
    """Return candidates [N, C], item_ids and score [N, K]."""
    candidates = exact_candidates(job, plan, served_vectors(job, plan))
    whole = models[plan.ranking.family].load(OfflineOnline)
    return TorchAnswers({CANDIDATES: candidates, **_answers(whole, job, plan, candidates)})


def exact_candidates(job: FeatureJob, plan: TwoStages, vectors: Vectors) -> Ids:
    """Return the candidates of an exact index of `vectors` [I, D] for the golden rows, [N, C]."""
    retrieval = plan.retrieval
    users = job.golden(retrieval.family)[USER_VECTOR]
    ids: Ids = ranking(retrieval, retrieval.retrieved, users, vectors, job.requests.finite)[ITEM_IDS]
    return ids


def candidate_ids(job: FeatureJob, plan: TwoStages, candidates: Ids) -> list[Ids]:
    """Return all items that the ranker scores for the golden rows: candidates [N, C] and own items [N, L]."""
    own = [f.name + ENCODED for f in plan.ranking.schema.request_features if isinstance(f, Sequence) and f.repeat]
    return [candidates, *(job.requests.finite[name] for name in own)]


def _answers(whole: OfflineOnline, job: FeatureJob, plan: TwoStages, candidates: Ids) -> Arrays:
    import torch

    excluded = [torch.from_numpy(job.requests.finite[each.name]) for each in plan.retrieval.excluded_sequences]
    with torch.no_grad():
        scores = exclude_items(whole(model_features(job.requests.features, job.requests.finite)), excluded, -torch.inf)
    is_candidate = torch.zeros_like(scores, dtype=torch.bool)
    for ids in candidate_ids(job, plan, candidates):
        is_candidate = is_candidate.scatter(1, torch.from_numpy(ids), True)
    return best_items(scores.masked_fill(~is_candidate, -torch.inf), plan.ranking.top_k)
