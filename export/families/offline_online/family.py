"""The served `offline_online` family: `recommend` and its variants."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from export.embeddings.vectors import Vectors
from export.errors import GraphError
from export.families.family import Family, Replace, Wanted
from export.families.offline_online.configs import configs
from export.families.offline_online.hops import hops
from export.families.offline_online.options import OfflineOnlineOptions
from export.families.offline_online.plan import ENCODER, RECOMMEND, RankingPlan
from export.families.offline_online.reference import reference
from export.families.offline_online.stored.models import RECOMMEND_STORED, nothing_to_store, require_free_names
from export.families.offline_online.stored.replace import require_replaceable, write_replaced
from export.families.offline_online.write import write
from export.repository.feature_requests import FEATURE_REQUESTS, FeatureJob
from export.repository.models import Models
from preprocessing.schema import Schema
from training.families import find


def _shipped(schema: Schema, plans: Mapping[str, Any]) -> RankingPlan:  # noqa: ARG001
    dim = find(RankingPlan.family).config().dim
    compiled = not any(feature.is_split for feature in schema.request_features)
    return RankingPlan(schema, dim, compiled=compiled, stored=not nothing_to_store(schema))


def _plan(job: FeatureJob, models: Models, wanted: Wanted[OfflineOnlineOptions]) -> RankingPlan:
    asked, reason = wanted.own.stored_embeddings, nothing_to_store(job.schema)
    if asked and reason:
        raise GraphError(f"--stored-embeddings: {reason}: leave it out")
    if asked is None and reason:
        print(f"naiad: no {RECOMMEND_STORED}: {reason}", file=sys.stderr)
    stored = asked is not False and not reason
    if stored:
        require_free_names(job.schema)
    dim = models[RankingPlan.family].config.dim
    return job.plan(RankingPlan, wanted.shared, wanted.compiled, dim, stored=stored)


def _vectors(plan: RankingPlan) -> Vectors:
    return Vectors(
        encoder=ENCODER,
        chain=RECOMMEND,
        tensor="user_embedding",
        features=plan.schema.stage("offline"),
        nothing=nothing_to_store(plan.schema),
    )


FAMILY = Family(
    name=RankingPlan.family,
    golden=FEATURE_REQUESTS,
    plan_type=RankingPlan,
    shipped=_shipped,
    plan=_plan,
    configs=configs,
    write=write,
    reference=reference,
    hops=hops,
    vectors=_vectors,
    replace=Replace(require_replaceable, write_replaced),
)
