"""The writer of the second stage: the ranker of candidates, and the chain as one graph."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from export.families.offline_online.graphs import item_table
from export.families.offline_online.plan import ENCODER
from export.families.retrieve_and_rank.graphs import CandidateRankerGraph
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK_FUSED, TwoStages, configs
from export.families.two_tower.index.exact import write_exact
from export.families.two_tower.plan import CANDIDATES, EXCLUDE_ITEMS, EXCLUDED, ITEM_INDEX, USER_TOWER
from export.families.two_tower.vectors import Vectors, read_item_vectors
from export.graphs.fused import write_fused
from export.repository.feature_requests import FeatureJob
from export.repository.members import begin_models, write_learned
from export.repository.models import Models
from export.repository.written import Written
from export.triton.files import ONNX, model_path
from export.triton.plan import DECODE, PREPROCESS
from training.families.offline_online.model import OfflineOnline

_RETRIEVAL, _RANKING = (PREPROCESS, USER_TOWER, EXCLUDE_ITEMS, ITEM_INDEX), (CANDIDATE_RANKER, DECODE)


def write(job: FeatureJob, plan: TwoStages, models: Models) -> Written[TwoStages]:
    """Write the second stage; the two families are already written."""
    begin_models(configs(plan), job.folder)
    ranking = plan.ranking
    whole = models[ranking.family].load(OfflineOnline)
    graph = CandidateRankerGraph(whole.online, item_table(whole), plan, job.requests.nulls)
    counts = job.counts("repeat_items", CANDIDATES, EXCLUDED.name)
    job.report(f"write {CANDIDATE_RANKER}")
    write_learned(ranking.format, graph, plan.ranker_inputs, ranking.ranking, counts, job.folder, CANDIDATE_RANKER)
    if plan.retrieval.fused:
        job.report(f"write {RETRIEVE_AND_RANK_FUSED}")
        write_fused_stages(plan, served_vectors(job, plan), job.folder)
    return Written(plan)


def write_fused_stages(plan: TwoStages, vectors: Vectors, folder: Path) -> None:
    """Write the chain as one graph below `folder`, which has its members; `vectors` [I, D] are the index's."""
    encoding = [ENCODER] if plan.ranking.state else []
    members = {name: model_path(folder, name) for name in (*_RETRIEVAL, *encoding, *_RANKING)}
    with tempfile.TemporaryDirectory() as scratch:
        # The index's own ranking has the same names as the ranker's.
        members[ITEM_INDEX] = Path(scratch) / ONNX
        write_exact(vectors, 0, members[ITEM_INDEX], plan.retrieval.retrieved)
        answer = [tensor.name for tensor in plan.ranking.answer]
        request = [tensor.name for tensor in plan.retrieval.retrieve_request]
        write_fused(members, answer, model_path(folder, RETRIEVE_AND_RANK_FUSED), request)


def served_vectors(job: FeatureJob, plan: TwoStages) -> Vectors:
    """Return the vectors that the index serves, [I, D]."""
    return np.array(read_item_vectors(job.folder, job.fitted.items, plan.retrieval.dim))
