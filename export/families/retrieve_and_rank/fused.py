"""The chain of two stages as one ONNX graph."""

from __future__ import annotations

import tempfile
from pathlib import Path

from export.families.offline_online.plan import DECODE, ENCODER, PREPROCESS
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK_FUSED
from export.families.two_tower.index.exact import write_exact
from export.families.two_tower.plan import EXCLUDE_ITEMS, ITEM_INDEX, USER_TOWER, RetrievalPlan
from export.families.two_tower.vectors import Vectors
from export.graphs.fused import write_fused
from export.repository.members import ONNX

_RETRIEVAL, _RANKING = (PREPROCESS, USER_TOWER, EXCLUDE_ITEMS, ITEM_INDEX), (CANDIDATE_RANKER, DECODE)


def write_fused_stages(plan: RetrievalPlan, vectors: Vectors, folder: Path) -> None:
    """Write it below `folder`, where its members are, if that has a place for it; `vectors` [I, D] are the index's."""
    path = folder / RETRIEVE_AND_RANK_FUSED / "1" / ONNX
    if not path.parent.is_dir():
        return
    # What a refresh has linked is the file of the repository that it refreshes.
    path.unlink(missing_ok=True)
    encoding = [ENCODER] if plan.state else []
    members = {name: folder / name / "1" / ONNX for name in (*_RETRIEVAL, *encoding, *_RANKING)}
    with tempfile.TemporaryDirectory() as scratch:
        # The index's own ranking has the names of the ranker's.
        members[ITEM_INDEX] = Path(scratch) / ONNX
        write_exact(vectors, 0, members[ITEM_INDEX], plan.candidates)
        answer, request = ([tensor.name for tensor in side] for side in (plan.answer, plan.retrieve_request))
        write_fused(members, answer, path, request)
