"""The writer of an `offline_online` repository."""

from __future__ import annotations

from export.families.offline_online.configs import configs
from export.families.offline_online.graphs import serving_graphs
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND_FUSED, RankingPlan
from export.families.offline_online.stored.models import nothing_to_store
from export.families.offline_online.stored.write import write_stored
from export.graphs.fused import write_fused
from export.repository.feature_requests import FeatureJob
from export.repository.members import begin_models, write_learned
from export.repository.models import Models
from export.repository.written import Written
from export.triton.files import model_path
from export.triton.plan import DECODE, PREPROCESS
from training.families.offline_online.model import OfflineOnline


def write(job: FeatureJob, plan: RankingPlan, models: Models) -> Written[RankingPlan]:
    """Write all models of the plan, including stored states; `preprocess` and `decode` are already written."""
    folder = job.folder
    begin_models(configs(plan), folder)
    whole = models[plan.family].load(OfflineOnline)
    encoder, ranker = serving_graphs(whole, plan, job.requests.nulls)
    counts = job.counts("repeat_items")
    if encoder is not None:
        job.report(f"write {ENCODER}")
        write_learned(plan.format, encoder, plan.encoder_inputs, plan.state, counts, folder, ENCODER)
    job.report(f"write {RANKER}")
    write_learned(plan.format, ranker, plan.ranker_inputs, plan.ranking, counts, folder, RANKER)
    if plan.fused:
        job.report(f"write {RECOMMEND_FUSED}")
        encoding = [ENCODER] if plan.state else []
        chain = {name: model_path(folder, name) for name in (PREPROCESS, *encoding, RANKER, DECODE)}
        write_fused(chain, [tensor.name for tensor in plan.answer], model_path(folder, RECOMMEND_FUSED))
    if plan.stored:
        return Written(plan, {"stored": {"users": write_stored(job, plan)}})
    reason = nothing_to_store(plan.schema)
    return Written(plan, {"not_stored": reason} if reason else {})
