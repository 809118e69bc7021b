"""The configs of a schema that is not fitted: what `model_repository/` shows of the default one."""

from __future__ import annotations

from export.families.offline_online.plan import Plan, configs
from export.families.offline_online.stored.models import stored_configs
from export.families.retrieve_and_rank.plan import MOST_CANDIDATES, TwoStages, own_items, two_stage_configs
from export.families.two_tower.plan import RetrievalPlan, retrieval_configs
from export.triton.config import ModelConfig
from preprocessing.schema import Schema, Text
from training.families.config import ModelConfig as ModelSizes
from training.families.config import TwoTowerConfig


def shipped_configs(schema: Schema) -> tuple[ModelConfig, ...]:
    """One config a model of both families and of the chain of two stages, each of the default sizes."""
    compiled = not any(isinstance(each, Text) for each in schema.request_features)
    ranking = Plan(schema, ModelSizes().dim, compiled=compiled)
    retrieved = max(MOST_CANDIDATES - own_items(schema), ranking.top_k)
    retrieval = RetrievalPlan(schema, TwoTowerConfig().dim, compiled=compiled, candidates=retrieved)
    # `preprocess` and `decode` are of both families; the first one's stay.
    two_stages = two_stage_configs(TwoStages(ranking, retrieval))
    stored = stored_configs(ranking) if ranking.state else ()
    every = (*retrieval_configs(retrieval), *configs(ranking), *stored, *two_stages)
    return tuple({config.name: config for config in every}.values())
