"""The plan and configs of two stages.

    retrieve_and_rank         preprocess -> user_tower, exclude_items -> item_index -> candidate_ranker -> decode
                                         -> offline_encoder ---------------------------^
    retrieve_and_rank_fused   the same as one graph; only with the exact index in ONNX

It takes the inputs of `retrieve` and answers like `recommend`, from at most C candidates: the user's own items, which
the offline state names anyway, and the best of `item_index`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from export.errors import GraphError
from export.families.offline_online.plan import RankingPlan, offline_encoder
from export.families.two_tower.plan import EXCLUDED, RetrievalPlan, candidates_tensor, index_config, retrieving
from export.repository.options import cut_to_catalogue
from export.triton.config import ModelConfig
from export.triton.ensembles import as_backend_takes, decoding, ensemble, member, preprocessing
from export.triton.plan import BACKENDS
from export.triton.tensors import Tensor, encoded_tensor
from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, Schema, Sequence

CANDIDATE_RANKER, RETRIEVE_AND_RANK = "candidate_ranker", "retrieve_and_rank"
RETRIEVE_AND_RANK_FUSED = "retrieve_and_rank_fused"


@dataclass(frozen=True)
class TwoStages:
    """The plans of both families, for one schema and one K.

    `candidates`: C, the maximal number of items that the ranker scores, at most the catalogue's; `retrieval.retrieved`
    are from the index.
    """

    family: ClassVar[str] = "retrieve_and_rank"

    ranking: RankingPlan
    retrieval: RetrievalPlan
    candidates: int

    @property
    def ranker_inputs(self) -> tuple[Tensor, ...]:
        online = tuple(encoded_tensor(feature) for feature in self.ranking.schema.stage("online"))
        return (*self.ranking.state, *online, candidates_tensor(self.retrieval.retrieved), EXCLUDED)


def own_items(schema: Schema) -> int:
    """Return the maximal number of own items in a request: those of the sequences with `repeat`."""
    return sum(each.max_length for each in schema.request_features if isinstance(each, Sequence) and each.repeat)


def retrieved_items(fitted: FittedSchema, top_k: int, candidates: int) -> int:
    """Return the number of items from the index, so that with the user's own there are at most `candidates`.

    Args:
        fitted: Determines the maximal number of own items, and the number of items.
        top_k: Number of items in an answer; at least as many have to be retrieved.
        candidates: Maximal number of items that the ranker scores.

    Raises:
        GraphError: `candidates` is too small.

    """
    own = own_items(fitted.schema_)
    if candidates < own + top_k:
        raise GraphError(
            f"--candidates {candidates}: up to {own} are the user's own items and an answer has {top_k}, "
            f"give at least {own + top_k}"
        )
    # The others can be at most the whole catalogue.
    most = own + fitted.items - FIRST_KNOWN_ID
    if candidates > most:
        return cut_to_catalogue("--candidates", candidates, fitted, "the ranker is given")
    return candidates - own


def configs(stages: TwoStages) -> tuple[ModelConfig, ...]:
    """Return the ranker of candidates and both ensembles; the two families have all other models."""
    plan, retrieval = stages.ranking, stages.retrieval
    ranker = member(plan, CANDIDATE_RANKER, BACKENDS[plan.format], stages.ranker_inputs, plan.ranking)
    index = replace(index_config(retrieval), outputs=(candidates_tensor(retrieval.retrieved),))
    chain = (preprocessing(plan), *retrieving(retrieval), index, *offline_encoder(plan), ranker, decoding(plan))
    request = retrieval.retrieve_request
    fused = member(plan, RETRIEVE_AND_RANK_FUSED, "onnxruntime", request, plan.answer)
    return (
        as_backend_takes(ranker),
        *([fused] if retrieval.fused else []),
        ensemble(plan, RETRIEVE_AND_RANK, request, chain),
    )
