"""The refresh of two stages: new candidates from new item vectors, and an unchanged ranker."""

from __future__ import annotations

from export.families.retrieve_and_rank.hops import known_ranks, rank_candidates
from export.families.retrieve_and_rank.plan import RETRIEVE_AND_RANK_FUSED, TwoStages
from export.families.retrieve_and_rank.reference import exact_candidates
from export.families.retrieve_and_rank.write import served_vectors, write_fused_stages
from export.families.two_tower.plan import CANDIDATES
from export.parity.local import LocalRepository
from export.repository.feature_requests import FeatureJob
from export.repository.written import Written
from export.triton.files import VERSION, version_folder


def rewritten(plan: TwoStages) -> set[str]:
    """Return the paths with item vectors besides the files of the retriever."""
    return {f"{RETRIEVE_AND_RANK_FUSED}/{VERSION}"} if plan.retrieval.fused else set()


def refresh(job: FeatureJob, plan: TwoStages) -> Written[TwoStages]:
    """Write the fused chain and the golden answers again.

    The trained ranker is not available, so the golden answers are the exported ranker's. Torch's answers over the whole
    catalogue, kept from the export, determine the first ranks; verify.json states their number among all ranks.
    """
    vectors = served_vectors(job, plan)
    if plan.retrieval.fused:
        job.report(f"write {RETRIEVE_AND_RANK_FUSED}")
        version_folder(job.folder, RETRIEVE_AND_RANK_FUSED).mkdir()
        write_fused_stages(plan, vectors, job.folder)
    candidates = {CANDIDATES: exact_candidates(job, plan, vectors)}
    ranked = rank_candidates(job, plan, LocalRepository(job.folder), candidates)
    job.write_golden(plan.family, {**candidates, **ranked})
    _, known = known_ranks(job, plan, candidates)
    return Written(plan, {"ranks": {"all": int(known.size), "held_to_torch": int(known.sum())}})
