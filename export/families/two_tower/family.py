"""The served `two_tower` family: `retrieve` and its variants, `match`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export.embeddings.vectors import ItemVectors, Vectors
from export.families.family import Family, Refresh, Wanted
from export.families.two_tower.hops import hops
from export.families.two_tower.options import TwoTowerOptions
from export.families.two_tower.plan import ITEM_TOWER, RETRIEVE, USER_TOWER, USER_VECTOR, RetrievalPlan, configs
from export.families.two_tower.reference import reference
from export.families.two_tower.refresh import refresh, rewritten
from export.families.two_tower.vectors import Vectors as Matrix
from export.families.two_tower.vectors import read_item_vectors
from export.families.two_tower.write import write
from export.parity.local import LocalRepository
from export.repository.feature_requests import FEATURE_REQUESTS, FeatureJob
from export.repository.models import Models
from preprocessing.schema import FittedSchema, Schema
from training.families import find


def _shipped(schema: Schema, plans: Mapping[str, Any]) -> RetrievalPlan:  # noqa: ARG001
    compiled = not any(feature.is_split for feature in schema.request_features)
    return RetrievalPlan(schema, find(RetrievalPlan.family).config().dim, compiled=compiled)


def _plan(job: FeatureJob, models: Models, wanted: Wanted[TwoTowerOptions]) -> RetrievalPlan:
    dim = models[RetrievalPlan.family].config.dim
    return job.plan(RetrievalPlan, wanted.shared, wanted.compiled, dim, index=wanted.own.index)


def _vectors(plan: RetrievalPlan) -> Vectors:
    def read(repository: Path, fitted: FittedSchema) -> Matrix:
        width = LocalRepository(repository).config(ITEM_TOWER).outputs[0].dims[0]
        return read_item_vectors(repository, fitted.items, width)

    return Vectors(USER_TOWER, RETRIEVE, USER_VECTOR, plan.schema.request_features, items=ItemVectors(ITEM_TOWER, read))


FAMILY = Family(
    name=RetrievalPlan.family,
    golden=FEATURE_REQUESTS,
    plan_type=RetrievalPlan,
    shipped=_shipped,
    plan=_plan,
    configs=configs,
    write=write,
    reference=reference,
    hops=hops,
    vectors=_vectors,
    refresh=Refresh(rewritten, refresh),
)
