"""The hops of an `offline_online` repository, compared with the trained model.

preprocess…           see `export.repository.shared_hops`
offline_encoder       embedding and repeat logits of the exported graph and torch's; if there is an encoder
online_ranker         top-k of the exported graph, given torch's state, and torch's
decode                raw ids and the item index's: equal
recommend…            each chain and torch's top-k
…_offline, …          see `export.families.offline_online.stored.hops`
"""

from __future__ import annotations

from functools import partial

from export.families.offline_online.plan import (
    ENCODER,
    RANKER,
    RECOMMEND,
    RECOMMEND_FUSED,
    RECOMMEND_NVTABULAR,
    RankingPlan,
)
from export.families.offline_online.stored.hops import stored_hops
from export.parity.answers import without_ranking
from export.parity.compare import compare_rankings, compare_tensors
from export.parity.hop import Hop
from export.repository.feature_requests import FeatureJob
from export.repository.shared_hops import chain_hop, decode_hop, preprocessing_hops
from export.triton.ensembles import served_chains
from export.triton.tensors import ITEM_IDS, SCORE


def hops(job: FeatureJob, plan: RankingPlan) -> tuple[Hop, ...]:
    """Return the hops in the order of the chain."""
    chains = served_chains(plan, RECOMMEND, fused=RECOMMEND_FUSED, by_nvtabular=RECOMMEND_NVTABULAR)
    return (
        *preprocessing_hops(job, plan),
        *([Hop(ENCODER, partial(_check_encoder, job, plan))] if plan.state else []),
        Hop(RANKER, partial(_check_ranker, job, plan)),
        decode_hop(job),
        *(chain_hop(job, plan.family, chain) for chain in chains),
        *(stored_hops(job, plan) if plan.stored else ()),
    )


def _check_encoder(job: FeatureJob, plan: RankingPlan) -> float:
    found = job.local.run_step(RECOMMEND, ENCODER, job.requests.encoded)
    return compare_tensors(ENCODER, without_ranking(job.golden(plan.family)), found)


def _check_ranker(job: FeatureJob, plan: RankingPlan) -> float:
    golden = job.golden(plan.family)
    ranked = job.local.run_step(RECOMMEND, RANKER, {**job.requests.encoded, **without_ranking(golden)})
    return compare_rankings(RANKER, golden, ranked[ITEM_IDS], ranked[SCORE])
