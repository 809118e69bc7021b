"""The served `retrieve_and_rank` family: the towers retrieve candidates, and the ranker scores only those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from export.families.family import Family, Refresh, Wanted
from export.families.offline_online.plan import RankingPlan
from export.families.retrieve_and_rank.hops import hops
from export.families.retrieve_and_rank.options import RetrieveAndRankOptions
from export.families.retrieve_and_rank.plan import TwoStages, configs, own_items, retrieved_items
from export.families.retrieve_and_rank.reference import reference
from export.families.retrieve_and_rank.refresh import refresh, rewritten
from export.families.retrieve_and_rank.write import write
from export.families.two_tower.plan import RetrievalPlan
from export.repository.feature_requests import FEATURE_REQUESTS, FeatureJob
from export.repository.models import Models
from preprocessing.schema import FIRST_KNOWN_ID, Schema


def _shipped(schema: Schema, plans: Mapping[str, Any]) -> TwoStages:
    ranking, retrieval = plans[RankingPlan.family], plans[RetrievalPlan.family]
    candidates = RetrieveAndRankOptions().candidates
    retrieved = max(candidates - own_items(schema), ranking.top_k)
    return TwoStages(ranking, replace(retrieval, retrieved=retrieved), candidates)


def _plan(job: FeatureJob, models: Models, wanted: Wanted[RetrieveAndRankOptions]) -> TwoStages:  # noqa: ARG001
    ranking, retrieval = job.plans[RankingPlan.family], job.plans[RetrievalPlan.family]
    retrieved = retrieved_items(job.fitted, ranking.top_k, wanted.own.candidates)
    candidates = min(wanted.own.candidates, job.fitted.items - FIRST_KNOWN_ID)
    return TwoStages(ranking, replace(retrieval, retrieved=retrieved), candidates)


FAMILY = Family(
    name=TwoStages.family,
    golden=FEATURE_REQUESTS,
    plan_type=TwoStages,
    shipped=_shipped,
    plan=_plan,
    configs=configs,
    write=write,
    reference=reference,
    hops=hops,
    refresh=Refresh(rewritten, refresh),
)
