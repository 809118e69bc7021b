"""The plan and configs of `two_tower`.

    retrieve              preprocess           -> user_tower, exclude_items -> item_index -> decode
    retrieve_nvtabular    preprocess_nvtabular -> the same
    retrieve_fused        the first of them as one graph; only with the exact index in ONNX
    item_tower            encoded item features -> item_vector, which makes and refreshes the index
    match                 pairs of a user id and an item id -> their score

A retrieval takes a request's raw features and `exclude`, raw ids of items that must not be returned, besides those of
the schema's `exclude` sequences; it returns `item_id` and `score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.families.two_tower.options import Index
from export.triton.config import ModelConfig
from export.triton.ensembles import decoding, member, served_in_three_ways
from export.triton.plan import BACKENDS, Plan
from export.triton.tensors import ENCODED, ITEM_ID, SCORE, Tensor, encoded_tensor
from preprocessing.schema import FIRST_KNOWN_ID, Feature

USER_TOWER, ITEM_TOWER = "user_tower", "item_tower"
EXCLUDE_ITEMS, ITEM_INDEX, MATCH = "exclude_items", "item_index", "match"
RETRIEVE, RETRIEVE_NVTABULAR, RETRIEVE_FUSED = "retrieve", "retrieve_nvtabular", "retrieve_fused"
USER_VECTOR, ITEM_VECTOR, USER_ID = "user_vector", "item_vector", "user_id"

EXCLUDE = Tensor("exclude", "string", (-1,))
EXCLUDED = Tensor(EXCLUDE.name + ENCODED, "int64", (-1,))
PAIR = (Tensor(USER_ID, "string", (1,)), Tensor(ITEM_ID, "string", (1,)))

CANDIDATES = "candidates"
GOLDEN_ITEMS = "golden_items"
"""Ids of items whose vectors by torch stand in the golden answers, one per row."""


@dataclass(frozen=True)
class RetrievalPlan(Plan):
    """The inputs of the configs.

    `index`: `auto` until it is chosen. `ef_search`: number of items that HNSW keeps during a search, at least as
    many as it returns. `retrieved`: number of items from the index for a ranker, at least K; 0 without a ranker.
    `refreshed`: the item vectors were computed again after the export.
    """

    family: ClassVar[str] = "two_tower"

    index: Index = "exact"
    ef_search: int = 0
    retrieved: int = 0
    refreshed: bool = False

    @property
    def fused(self) -> bool:
        return super().fused and self.index == "exact"

    @property
    def retrieve_request(self) -> tuple[Tensor, ...]:
        return (*self.request, EXCLUDE)

    @property
    def item_features(self) -> tuple[Feature, ...]:
        return (self.schema.item_id, *self.schema.item_features)

    @property
    def item_inputs(self) -> tuple[Tensor, ...]:
        return tuple(encoded_tensor(feature) for feature in self.item_features)

    @property
    def user_vector(self) -> Tensor:
        return Tensor(USER_VECTOR, "float32", (self.dim,))

    @property
    def item_vector(self) -> Tensor:
        return Tensor(ITEM_VECTOR, "float32", (self.dim,))

    @property
    def excluded_sequences(self) -> tuple[Tensor, ...]:
        """The encoded sequences of a request whose items must not be returned."""
        names = self.schema.exclude if self.exclude_seen else ()
        return tuple(encoded_tensor(each) for each in self.schema.request_features if each.name in names)

    @property
    def index_inputs(self) -> tuple[Tensor, ...]:
        return (self.user_vector, EXCLUDED)

    @property
    def searched(self) -> int:
        """The number of items of a search in the index."""
        return self.retrieved or self.top_k

    @property
    def index_outputs(self) -> tuple[Tensor, ...]:
        return (*self.ranking, *([candidates_tensor(self.retrieved)] if self.retrieved else []))


def configs(plan: RetrievalPlan) -> tuple[ModelConfig, ...]:
    """Return one config per model, in the order of the chain, the ensembles last."""
    chain = (*retrieving(plan), index_config(plan), decoding(plan))
    beside = (
        member(plan, ITEM_TOWER, BACKENDS[plan.format], plan.item_inputs, (plan.item_vector,)),
        member(plan, MATCH, "onnxruntime", PAIR, (Tensor(SCORE, "float32", (1,)),)),
    )
    names = (RETRIEVE, RETRIEVE_NVTABULAR, RETRIEVE_FUSED)
    return served_in_three_ways(plan, names, plan.retrieve_request, chain, beside)


def candidates_tensor(count: int) -> Tensor:
    """Return the tensor of encoded ids of retrieved items, best first; 0 if there are fewer."""
    return Tensor(CANDIDATES, "int64", (count,))


def retrieving(plan: RetrievalPlan) -> tuple[ModelConfig, ...]:
    """Return the models between preprocessing and the index."""
    return (
        member(plan, USER_TOWER, BACKENDS[plan.format], plan.encoded, (plan.user_vector,)),
        member(plan, EXCLUDE_ITEMS, "onnxruntime", (*plan.excluded_sequences, EXCLUDE), (EXCLUDED,)),
    )


def index_config(plan: RetrievalPlan) -> ModelConfig:
    """Return `item_index`: a graph, or the python model with FAISS."""
    if plan.index != "hnsw":
        return member(plan, ITEM_INDEX, "onnxruntime", plan.index_inputs, plan.index_outputs)
    parameters = {"ef_search": str(plan.ef_search), "first_item_id": str(FIRST_KNOWN_ID)}
    return member(plan, ITEM_INDEX, "python", plan.index_inputs, plan.index_outputs, parameters)
