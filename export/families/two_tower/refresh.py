"""The refresh of a repository's item vectors and of everything that contains them, without training."""

from __future__ import annotations

from dataclasses import replace

from export.families.two_tower.hops import require_item_tower
from export.families.two_tower.index.choice import rebuild_index
from export.families.two_tower.plan import ITEM_INDEX, MATCH, RETRIEVE_FUSED, USER_VECTOR, RetrievalPlan
from export.families.two_tower.reference import ranking
from export.families.two_tower.vectors import current_items, item_vectors, user_vectors
from export.families.two_tower.write import Catalogue, write_catalogue
from export.parity.local import LocalRepository
from export.repository.feature_requests import FeatureJob
from export.repository.written import Written
from export.triton.files import VERSION


def rewritten(plan: RetrievalPlan) -> set[str]:
    """Return the models with item vectors; the towers are kept, and the file of the vectors is replaced."""
    models = (ITEM_INDEX, MATCH, *([RETRIEVE_FUSED] if plan.fused else []))
    return {f"{name}/{VERSION}" for name in models}


def refresh(job: FeatureJob, plan: RetrievalPlan) -> Written[RetrievalPlan]:
    """Compute the vectors from the current item table; rank them for torch's user vectors of the golden rows."""
    job.report("vectors of all users and items")
    local = LocalRepository(job.folder)
    require_item_tower(job, plan, local)
    vectors = item_vectors(local, current_items(job.fitted, job.requests.data))
    users, of_users = user_vectors(local, job.schema, job.requests.data)
    index, about = rebuild_index(plan, vectors, of_users)
    write_catalogue(job, plan, Catalogue(vectors, users, of_users), index)
    golden = job.golden(plan.family)
    ranked = ranking(plan, plan.top_k, golden[USER_VECTOR], vectors, job.requests.encoded)
    job.write_golden(plan.family, {**golden, **ranked})
    return Written(replace(plan, refreshed=True), {"index": about, "users": len(users)})
