"""The hops of two stages, compared with the trained models; the hops of the two families check the shared models.

candidate_ranker       top-k of the exported graph, given torch's state and candidates, and torch's; after a refresh
                       the ranks that follow from torch's answers over the whole catalogue
retrieve_and_rank…     each chain and torch's top-k; for an approximate index the scores of the items that
                       both found, and at least 95% of torch's items; after a refresh the ranker's top-k
"""

from __future__ import annotations

from functools import partial

import numpy as np

from export.data.golden import Arrays
from export.families.retrieve_and_rank.compare import compare_found, first_ranks
from export.families.retrieve_and_rank.plan import (
    CANDIDATE_RANKER,
    RETRIEVE_AND_RANK,
    RETRIEVE_AND_RANK_FUSED,
    TwoStages,
)
from export.families.retrieve_and_rank.reference import candidate_ids
from export.families.two_tower.hops import nothing_excluded
from export.families.two_tower.plan import CANDIDATES, EXCLUDE_ITEMS
from export.parity.answers import without_ranking
from export.parity.compare import compare_rankings
from export.parity.hop import Hop
from export.parity.local import LocalRepository
from export.repository.feature_requests import FeatureJob
from export.repository.shared_hops import chain_answers
from export.triton.ensembles import served_chains
from export.triton.tensors import ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID


def hops(job: FeatureJob, plan: TwoStages) -> tuple[Hop, ...]:
    """Return the hops in the order of the chain."""
    chains = served_chains(plan.retrieval, RETRIEVE_AND_RANK, fused=RETRIEVE_AND_RANK_FUSED)
    return (
        Hop(CANDIDATE_RANKER, partial(_check_ranker, job, plan)),
        *(Hop(chain, partial(_check_chain, job, plan, chain)) for chain in chains),
    )


def rank_candidates(job: FeatureJob, plan: TwoStages, local: LocalRepository, candidates: Arrays) -> Arrays:
    """Return the exported ranker's answers to torch's state of the golden rows and these candidates."""
    state = without_ranking(job.golden(plan.ranking.family))
    tensors = {**job.requests.encoded, **state, CANDIDATES: candidates[CANDIDATES]}
    excluded = local.run_step(RETRIEVE_AND_RANK, EXCLUDE_ITEMS, {**tensors, **nothing_excluded(len(job.requests.rows))})
    return local.run_step(RETRIEVE_AND_RANK, CANDIDATE_RANKER, {**tensors, **excluded})


def known_ranks(job: FeatureJob, plan: TwoStages, candidates: Arrays) -> tuple[Arrays, np.ndarray]:  # type: ignore[type-arg]
    """Return the first ranks of these candidates by torch, and their positions in [N, K]."""
    catalogue = job.golden(plan.ranking.family)
    return first_ranks(catalogue, candidate_ids(job, plan, candidates[CANDIDATES]))


def _check_ranker(job: FeatureJob, plan: TwoStages) -> float:
    golden = job.golden(plan.family)
    found = rank_candidates(job, plan, job.local, golden)
    if not plan.retrieval.refreshed:
        return compare_rankings(CANDIDATE_RANKER, golden, found[ITEM_IDS], found[SCORE])
    expected, known = known_ranks(job, plan, golden)
    ids = np.where(known, found[ITEM_IDS], PADDING_ID)
    return compare_rankings(CANDIDATE_RANKER, expected, ids, np.where(known, found[SCORE], np.float32(-np.inf)))


def _check_chain(job: FeatureJob, plan: TwoStages, chain: str) -> float:
    compare = compare_rankings if plan.retrieval.index == "exact" else compare_found
    return compare(chain, job.golden(plan.family), *chain_answers(job, chain, nothing_excluded))
