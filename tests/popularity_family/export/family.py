"""`popularity` as it is served: preprocess -> popularity_ranker -> decode, as an ensemble and as one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from export.families.family import Family, Wanted
from export.families.options import FamilyOptions
from export.graphs.fused import write_fused
from export.graphs.layers import NOTHING, best_candidates
from export.parity.answers import best_items, model_features
from export.parity.compare import compare_rankings
from export.parity.hop import Hop
from export.repository.feature_requests import FEATURE_REQUESTS, FeatureJob
from export.repository.members import begin_models, write_learned
from export.repository.models import Models
from export.repository.shared_hops import chain_hop, decode_hop, preprocessing_hops
from export.repository.written import TorchAnswers, Written
from export.triton.config import ModelConfig
from export.triton.ensembles import decoding, member, served_chains, served_in_three_ways
from export.triton.files import model_path
from export.triton.plan import BACKENDS, DECODE, PREPROCESS, Plan
from export.triton.tensors import ITEM_IDS, SCORE, encoded_tensor
from preprocessing.schema import FIRST_KNOWN_ID, Schema
from tests.popularity_family.model import Popularity
from training.layers.exclusion import exclude_items

RANKER, POPULAR, NVTABULAR, FUSED = "popularity_ranker", "popular", "popular_nvtabular", "popular_fused"


@dataclass(frozen=True)
class PopularityPlan(Plan):
    """It reads nothing but the items that are not to be recommended."""

    family: ClassVar[str] = "popularity"


class PopularityGraph(nn.Module):
    """Encoded sequences of items to leave out, each [B, L] -> item_ids [B, K] int64 and score [B, K], best first."""

    scores: Tensor

    def __init__(self, model: Popularity, top_k: int) -> None:
        super().__init__()
        self.register_buffer("scores", model.catalogue().detach().clone())
        self.scores[:FIRST_KNOWN_ID] = NOTHING
        self.top_k = top_k

    def forward(self, *excluded: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.scores.expand(excluded[0].shape[0], -1)
        for items in excluded:
            scores = scores.scatter(1, items, NOTHING)
        return best_candidates(*torch.topk(scores, self.top_k, dim=1))


def _excluded(plan: PopularityPlan) -> tuple[Any, ...]:
    return tuple(encoded_tensor(each) for each in plan.schema.request_features if each.name in plan.schema.exclude)


def _shipped(schema: Schema, plans: Mapping[str, Any]) -> PopularityPlan:  # noqa: ARG001
    return PopularityPlan(schema, dim=1)


def _plan(job: FeatureJob, models: Models, wanted: Wanted[FamilyOptions]) -> PopularityPlan:
    return job.plan(PopularityPlan, wanted.shared, wanted.compiled, models["popularity"].config.dim)


def _configs(plan: PopularityPlan) -> tuple[ModelConfig, ...]:
    ranker = member(plan, RANKER, BACKENDS[plan.format], _excluded(plan), plan.ranking)
    return served_in_three_ways(plan, (POPULAR, NVTABULAR, FUSED), plan.request, (ranker, decoding(plan)))


def _write(job: FeatureJob, plan: PopularityPlan, models: Models) -> Written[PopularityPlan]:
    begin_models(_configs(plan), job.folder)
    graph = PopularityGraph(models["popularity"].load(Popularity), plan.top_k)
    write_learned(plan.format, graph, _excluded(plan), plan.ranking, job.counts(), job.folder, RANKER)
    if plan.fused:
        chain = {name: model_path(job.folder, name) for name in (PREPROCESS, RANKER, DECODE)}
        write_fused(chain, [tensor.name for tensor in plan.answer], model_path(job.folder, FUSED))
    return Written(plan)


def _reference(job: FeatureJob, plan: PopularityPlan, models: Models) -> TorchAnswers:
    features = model_features(job.requests.features, job.requests.finite)
    with torch.no_grad():
        scores = models["popularity"].load(Popularity)(features)
    excluded = [features[name] for name in plan.schema.exclude]
    return TorchAnswers(best_items(exclude_items(scores, excluded, NOTHING), plan.top_k))


def _check_ranker(job: FeatureJob, plan: PopularityPlan) -> float:
    ranked = job.local.run_step(POPULAR, RANKER, job.requests.encoded)
    return compare_rankings(RANKER, job.golden(plan.family), ranked[ITEM_IDS], ranked[SCORE])


def _hops(job: FeatureJob, plan: PopularityPlan) -> tuple[Hop, ...]:
    chains = served_chains(plan, POPULAR, fused=FUSED, by_nvtabular=NVTABULAR)
    return (
        *preprocessing_hops(job, plan),
        Hop(RANKER, partial(_check_ranker, job, plan)),
        decode_hop(job),
        *(chain_hop(job, plan.family, chain) for chain in chains),
    )


FAMILY = Family(
    name=PopularityPlan.family,
    golden=FEATURE_REQUESTS,
    plan_type=PopularityPlan,
    shipped=_shipped,
    plan=_plan,
    configs=_configs,
    write=_write,
    reference=_reference,
    hops=_hops,
)
