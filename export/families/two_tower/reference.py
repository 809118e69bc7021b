"""The trained towers' answers to the golden rows in torch, with which every hop of a retrieval is compared."""

from __future__ import annotations

import numpy as np

from export.data.golden import Arrays
from export.families.two_tower.plan import GOLDEN_ITEMS, ITEM_VECTOR, USER_VECTOR, RetrievalPlan
from export.families.two_tower.vectors import Vectors, fitted_items, read_item_vectors
from export.parity.answers import best_items, model_features
from export.parity.compare import compare_tensors
from export.repository.feature_requests import FeatureJob
from export.repository.models import Models
from export.repository.written import TorchAnswers
from preprocessing.schema import FIRST_KNOWN_ID
from training.families.two_tower.model import ItemTower, TwoTower, UserTower
from training.layers.exclusion import exclude_items


def reference(job: FeatureJob, plan: RetrievalPlan, models: Models) -> TorchAnswers:
    """Return user_vector [N, D], item_ids and score, and item_vector [N, D] of golden_items [N].

    Towers that differ from the whole model are refused.
    """
    model = models[plan.family]
    # The catalogue's vectors are torch's, already stored in the repository.
    items = np.array(read_item_vectors(job.folder, job.fitted.items, plan.dim))
    vectors = {USER_VECTOR: user_vectors(model.load(TwoTower).user, job), ITEM_VECTOR: items}
    parts = {
        USER_VECTOR: user_vectors(model.load(UserTower), job),
        ITEM_VECTOR: _item_vectors(model.load(ItemTower), plan, fitted_items(job.schema, job.requests.data)),
    }
    apart = compare_tensors("torch_parts", vectors, parts, tolerance=0.0)
    users = vectors[USER_VECTOR]
    # A refresh replaces the vectors of the index; these stay, and the item tower with them.
    kept = np.linspace(FIRST_KNOWN_ID, len(items) - 1, len(job.requests.rows)).astype(np.int64)
    of_items: Arrays = {GOLDEN_ITEMS: kept, ITEM_VECTOR: items[kept]}
    return TorchAnswers(
        {USER_VECTOR: users, **of_items, **ranking(plan, plan.top_k, users, items, job.requests.finite)}, apart
    )


def user_vectors(tower: UserTower, job: FeatureJob) -> Vectors:
    """Return the vectors of the golden rows, [N, D]."""
    import torch

    with torch.no_grad():
        vectors: Vectors = tower(model_features(job.requests.features, job.requests.finite)).numpy()
    return vectors


def _item_vectors(tower: ItemTower, plan: RetrievalPlan, items: Arrays) -> Vectors:
    import torch

    with torch.no_grad():
        vectors: Vectors = tower(model_features(plan.item_features, items)).numpy()
    return vectors


def ranking(plan: RetrievalPlan, count: int, users: Vectors, items: Vectors, encoded: Arrays) -> Arrays:
    """Return the exact top `count` of torch: item_ids, score [N, count].

    `encoded` has the sequences whose items are excluded.
    """
    import torch

    excluded = [torch.from_numpy(encoded[each.name]) for each in plan.excluded_sequences]
    scores = torch.from_numpy(users) @ torch.from_numpy(items).T
    return best_items(exclude_items(scores, excluded, -torch.inf), count)
