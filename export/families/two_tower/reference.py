"""What the trained towers, in torch, answer for the golden rows: the measure of every hop of a retrieval."""

from __future__ import annotations

from export.data.golden import Arrays
from export.families.two_tower.plan import ITEM_VECTOR, USER_VECTOR, RetrievalPlan
from export.families.two_tower.vectors import Vectors
from export.parity.answers import best_items, model_features
from training.families.two_tower.model import ItemTower, TwoTower, UserTower
from training.layers.exclusion import exclude_items


def whole_vectors(whole: TwoTower, plan: RetrievalPlan, encoded: Arrays) -> Arrays:
    """Vectors of golden rows, `user_vector` [N, D], and of all items, `item_vector` [I, D]."""
    import torch

    with torch.no_grad():
        users = whole.user(model_features(plan.schema.request_features, encoded))
        return {USER_VECTOR: users.numpy(), ITEM_VECTOR: whole.catalogue().numpy()}


def part_vectors(user: UserTower, item: ItemTower, plan: RetrievalPlan, encoded: Arrays, items: Arrays) -> Arrays:
    """The same, by towers that were loaded alone."""
    import torch

    with torch.no_grad():
        users = user(model_features(plan.schema.request_features, encoded))
        return {USER_VECTOR: users.numpy(), ITEM_VECTOR: item(model_features(plan.item_features, items)).numpy()}


def ranking(plan: RetrievalPlan, users: Vectors, items: Vectors, encoded: Arrays) -> Arrays:
    """The exact top-k by torch: item_ids, score [N, K]; `encoded` holds the sequences that are to be left out."""
    import torch

    excluded = [torch.from_numpy(encoded[each.name]) for each in plan.excluded_sequences]
    scores = exclude_items(torch.from_numpy(users) @ torch.from_numpy(items).T, excluded, -torch.inf)
    return best_items(scores, plan.top_k)
