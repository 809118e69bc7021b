"""The plan and configs of `offline_online`: one chain, served in three ways.

    recommend             preprocess           -> offline_encoder -> online_ranker -> decode
    recommend_nvtabular   preprocess_nvtabular -> offline_encoder -> online_ranker -> decode
    recommend_fused       the first of them as one graph

A schema without offline features has no `offline_encoder`: the ranker then takes only the online features.

All take a request's raw features and return `item_id` and `score`. If the workflow cannot be compiled, there is no
`preprocess` and no `recommend_fused`, and `recommend` begins with `preprocess_nvtabular`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.triton.config import ModelConfig
from export.triton.ensembles import decoding, member, served_in_three_ways
from export.triton.plan import BACKENDS, Plan
from export.triton.tensors import Dtype, Tensor, encoded_tensor
from preprocessing.schema import Feature, Sequence, encoded_list
from training.families.offline_online.model import has_repeats, ranker_features

ENCODER, RANKER = "offline_encoder", "online_ranker"
RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED = "recommend", "recommend_nvtabular", "recommend_fused"


@dataclass(frozen=True)
class RankingPlan(Plan):
    """`stored`: the offline states of all users are served too; `replaced`: a file replaced them after the export."""

    family: ClassVar[str] = "offline_online"

    stored: bool = False
    replaced: bool = False

    @property
    def encoder_inputs(self) -> tuple[Tensor, ...]:
        return tuple(encoded_tensor(feature) for feature in self.schema.stage("offline"))

    @property
    def state(self) -> tuple[Tensor, ...]:
        """The tensors between the offline encoder and the online ranker.

        Without repeat sequences it is only the embedding; without offline features there is no `offline_encoder`.
        """
        offline = self.schema.stage("offline")
        if not offline:
            return ()
        embedding = Tensor("user_embedding", "float32", (self.dim,))
        if not has_repeats(offline):
            return (embedding,)
        longest = sum(feature.max_length for feature in offline if isinstance(feature, Sequence) and feature.repeat)
        return (embedding, _repeats("repeat_items", "int64", longest), _repeats("repeat_logits", "float32", longest))

    @property
    def ranker_features(self) -> tuple[Feature, ...]:
        """The request's tensors that the ranker reads; excluded offline sequences only if they are masked."""
        return ranker_features(self.schema) if self.exclude_seen else self.schema.stage("online")

    @property
    def ranker_inputs(self) -> tuple[Tensor, ...]:
        return self.state + tuple(encoded_tensor(feature) for feature in self.ranker_features)


def chain_configs(plan: RankingPlan) -> tuple[ModelConfig, ...]:
    """Return one config per model of the chain, in its order, the ensembles last."""
    learned = BACKENDS[plan.format]
    ranker = member(plan, RANKER, learned, plan.ranker_inputs, plan.ranking)
    chain = (*offline_encoder(plan), ranker, decoding(plan))
    return served_in_three_ways(plan, (RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED), plan.request, chain)


def offline_encoder(plan: RankingPlan) -> tuple[ModelConfig, ...]:
    """Return the encoder, or nothing if the schema has no offline features."""
    return (member(plan, ENCODER, BACKENDS[plan.format], plan.encoder_inputs, plan.state),) if plan.state else ()


def _repeats(name: str, dtype: Dtype, longest: int) -> Tensor:
    layout = encoded_list(dtype, longest)
    return Tensor(name, dtype, layout.dims, layout.longest)
