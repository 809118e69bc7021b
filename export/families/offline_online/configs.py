"""The configs of an `offline_online` repository."""

from __future__ import annotations

from export.families.offline_online.plan import RankingPlan, chain_configs
from export.families.offline_online.stored.models import stored_configs
from export.triton.config import ModelConfig


def configs(plan: RankingPlan) -> tuple[ModelConfig, ...]:
    """Return one config per model: the chain, then the models that serve from stored states."""
    return (*chain_configs(plan), *(stored_configs(plan) if plan.stored else ()))
