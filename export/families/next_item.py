"""The served next-item families: all of them have one contract, and differ in the trained model alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from export.families.family import Family, Wanted
from export.families.options import FamilyOptions
from export.next_item.hops import hops
from export.next_item.plan import NextItemPlan, configs, history_chain
from export.next_item.popular import read_popular
from export.next_item.reference import reference
from export.next_item.requests import HISTORY_REQUESTS, HistoryJob, HistoryRequests
from export.next_item.write import write
from export.repository.models import Models
from export.repository.options import RepositoryOptions
from preprocessing.schema import Schema
from training.families import find

PlanT = TypeVar("PlanT", bound=NextItemPlan)


def next_item_family(kind: type[PlanT]) -> Family[HistoryRequests, PlanT, FamilyOptions]:
    """Return the family of `kind`, whose trained model has `encode`, `catalogue` and `max_length`."""

    def shipped(schema: Schema, plans: Mapping[str, Any]) -> PlanT:  # noqa: ARG001
        config = find(kind.family).config()
        return kind(schema, config.dim, max_length=config.max_length, reference_path=False)

    def plan(job: HistoryJob, models: Models, wanted: Wanted[FamilyOptions]) -> PlanT:
        trained = models[kind.family]
        contexts, max_length = read_popular(trained.folder).contexts, trained.whole.max_length
        return job.plan(kind, wanted.shared, True, trained.config.dim, max_length=max_length, contexts=contexts)

    return Family(
        name=kind.family,
        golden=HISTORY_REQUESTS,
        plan_type=kind,
        shipped=shipped,
        plan=plan,
        configs=configs,
        write=write,
        reference=reference,
        hops=hops,
        histories=history_chain,
        settle=settle,
    )


def settle(options: RepositoryOptions, models: Models) -> RepositoryOptions:
    """Return the options without NVTabular; seen items are excluded as in the evaluation of the trained model."""
    seen = all(trained.config.exclude_seen for trained in models.values())
    return options.model_copy(update={"exclude_seen": options.exclude_seen and seen, "reference_path": False})
