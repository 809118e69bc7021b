"""The trained model's answers to the golden rows in torch, with which every hop of its repository is compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from export.data.golden import Arrays
from export.families.offline_online.plan import RankingPlan
from export.parity.answers import best_items, model_features, without_ranking
from export.parity.compare import compare_rankings, compare_tensors
from export.repository.feature_requests import FeatureJob
from export.repository.models import Models
from export.repository.written import TorchAnswers
from export.triton.tensors import ITEM_IDS, SCORE
from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OfflineState, OnlineRanker
from training.layers.exclusion import exclude_items
from training.layers.features import Features

if TYPE_CHECKING:
    from torch import Tensor


def reference(job: FeatureJob, plan: RankingPlan, models: Models) -> TorchAnswers:
    """Return the offline state by name, item_ids and score; refuse parts that differ from the whole model."""
    model = models[plan.family]
    answers = whole_answers(model.load(OfflineOnline), plan, job.requests.finite)
    parts = part_answers(model.load(OfflineEncoder), model.load(OnlineRanker), plan, job.requests.finite)
    apart = compare_tensors("torch_parts", without_ranking(answers), parts, tolerance=0.0)
    ranked = compare_rankings("torch_parts", answers, parts[ITEM_IDS], parts[SCORE], tolerance=0.0)
    return TorchAnswers(answers, max(apart, ranked))


def whole_answers(whole: OfflineOnline, plan: RankingPlan, encoded: Arrays) -> Arrays:
    """Return the whole model's answers to encoded tensors of finite numbers: the state by name, item_ids, score."""
    return _answers(whole.offline, lambda _, features: whole(features), plan, encoded)


def part_answers(offline: OfflineEncoder, online: OnlineRanker, plan: RankingPlan, encoded: Arrays) -> Arrays:
    """Return the answers of the offline part followed by the online part."""
    return _answers(offline, online, plan, encoded)


def _answers(
    offline: OfflineEncoder,
    score_all: Callable[[OfflineState, Features], Tensor],
    plan: RankingPlan,
    encoded: Arrays,
) -> Arrays:
    import torch

    features = model_features(plan.schema.request_features, encoded)
    with torch.no_grad():
        state = offline(features)
        excluded = [features[name] for name in plan.schema.exclude] if plan.exclude_seen else []
        scores = exclude_items(score_all(state, features), excluded, -torch.inf)
    kept = dict(zip((tensor.name for tensor in plan.state), state, strict=False))
    return {**{name: tensor.numpy() for name, tensor in kept.items()}, **best_items(scores, plan.top_k)}
