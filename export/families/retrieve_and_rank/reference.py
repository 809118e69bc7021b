"""What the trained models, in torch, answer in two stages: the whole catalogue's scores, all but candidates' masked."""

from __future__ import annotations

from dataclasses import replace

from export.data.golden import Arrays
from export.families.retrieve_and_rank.plan import TwoStages
from export.families.two_tower.plan import CANDIDATES, RetrievalPlan
from export.families.two_tower.reference import ranking
from export.families.two_tower.vectors import Vectors
from export.parity.answers import best_items, model_features
from export.triton.tensors import ENCODED, ITEM_IDS
from preprocessing.schema import Sequence
from training.families.offline_online.model import OfflineOnline
from training.layers.exclusion import exclude_items

GOLDEN = "golden_retrieve_and_rank.parquet"


def exact_candidates(plan: RetrievalPlan, users: Vectors, items: Vectors, encoded: Arrays) -> Arrays:
    """`candidates` [N, C]: what an exact index gives the ranker."""
    return {CANDIDATES: ranking(replace(plan, top_k=plan.candidates), users, items, encoded)[ITEM_IDS]}


def two_stage_answers(whole: OfflineOnline, stages: TwoStages, encoded: Arrays, candidates: Arrays) -> Arrays:
    """item_ids and score [N, K] of the candidates and of the user's own items."""
    import torch

    schema = stages.ranking.schema
    features = model_features(schema.request_features, encoded)
    excluded = [torch.from_numpy(encoded[each.name]) for each in stages.retrieval.excluded_sequences]
    with torch.no_grad():
        scores = exclude_items(whole(features), excluded, -torch.inf)
    is_candidate = torch.zeros_like(scores, dtype=torch.bool)
    own = [f.name + ENCODED for f in schema.request_features if isinstance(f, Sequence) and f.repeat]
    for ids in (candidates[CANDIDATES], *(encoded[name] for name in own)):
        is_candidate = is_candidate.scatter(1, torch.from_numpy(ids), True)
    return best_items(scores.masked_fill(~is_candidate, -torch.inf), stages.ranking.top_k)
