"""The writer of a next-item repository."""

from __future__ import annotations

from typing import Any

from export.graphs.fused import write_fused
from export.graphs.lookups import Decoded, write_decode
from export.next_item.history_ids import write_history_ids
from export.next_item.plan import (
    DECODE_NEXT_ITEM,
    EXCLUDED,
    HISTORY_IDS,
    NEXT_ITEM_FUSED,
    POPULAR,
    REASON,
    REASON_CODE,
    SIMILAR_ITEMS,
    NextItemPlan,
    configs,
)
from export.next_item.popular import read_popular
from export.next_item.ranker import NextItemGraph
from export.next_item.requests import HistoryJob
from export.next_item.similar import write_similar
from export.repository.members import begin_models, write_learned
from export.repository.models import Models
from export.repository.written import Written
from export.triton.files import model_path


def write(job: HistoryJob, plan: NextItemPlan, models: Models) -> Written[Any]:
    """Write all models of the plan."""
    folder, trained = job.folder, models[plan.family]
    begin_models(configs(plan), folder)
    popular = read_popular(trained.folder)
    write_history_ids(job.item_ids, popular, plan, model_path(folder, HISTORY_IDS))
    job.report(f"write {plan.family}")
    graph = NextItemGraph(trained.whole, popular, plan)
    counts = {
        **dict.fromkeys((plan.encoded[0].name, EXCLUDED.name), len(job.item_ids)),
        POPULAR.name: len(popular.items),
    }
    write_learned(plan.format, graph, plan.encoded, plan.ranking, counts, folder, plan.family)
    reasons = Decoded(REASON_CODE.name, REASON.name, 1, plan.reasons)
    write_decode(job.item_ids, plan.top_k, model_path(folder, DECODE_NEXT_ITEM), reasons)
    job.report(f"write {SIMILAR_ITEMS}")
    write_similar(job.item_ids, graph.table.numpy(), plan, model_path(folder, SIMILAR_ITEMS))
    if plan.fused:
        job.report(f"write {NEXT_ITEM_FUSED}")
        chain = {name: model_path(folder, name) for name in (HISTORY_IDS, plan.family, DECODE_NEXT_ITEM)}
        request, answer = ([tensor.name for tensor in side] for side in (plan.request, plan.answer))
        write_fused(chain, answer, model_path(folder, NEXT_ITEM_FUSED), request)
    return Written(plan)
