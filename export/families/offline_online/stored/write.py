"""The writer of a repository's store: the users of the data, each with the state of the latest request."""

from __future__ import annotations

from export.families.offline_online.plan import ENCODER, RankingPlan
from export.families.offline_online.stored.models import USER_EMBEDDING, halves
from export.families.offline_online.stored.states import latest_states
from export.families.offline_online.stored.store import write_store
from export.graphs.workflow import compile_workflow, request_columns
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.repository.feature_requests import FeatureJob
from export.triton.files import model_path


def write_stored(job: FeatureJob, plan: RankingPlan) -> int:
    """Add the models with stored states to a complete repository; return the number of stored users."""
    job.report(f"write {USER_EMBEDDING}")
    folder = job.folder
    if plan.compiled:
        columns = request_columns(job.requests.features)
        for name, features in halves(plan).items():
            path = model_path(folder, name)
            if path.parent.is_dir():
                compile_workflow(job.requests.workflow, columns, path, only=[feature.name for feature in features])
    local = LocalRepository(folder)
    states = latest_states(local, job.fitted, job.requests.data)
    write_store(local.config(USER_EMBEDDING), states, encoder_digest(folder, ENCODER), folder)
    return len(states.users)
