"""The models of family `offline_online` as config.pbtxt declares them: one chain, served in three ways.

    recommend             preprocess           -> offline_encoder -> online_ranker -> decode
    recommend_nvtabular   preprocess_nvtabular -> offline_encoder -> online_ranker -> decode
    recommend_fused       the first of them as one graph

A schema without offline features has no `offline_encoder`: the ranker then takes the online features alone.

All take a request's raw features and give `item_id` and `score`. Where the workflow cannot be compiled there is no
`preprocess` and no `recommend_fused`, and `recommend` begins with `preprocess_nvtabular`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from export.triton.config import Backend, ModelConfig
from export.triton.ensembles import as_backend_takes, ensemble, member
from export.triton.tensors import (
    ITEM_ID,
    ITEM_IDS,
    SCORE,
    Tensor,
    encoded_tensor,
    online_features,
    request_tensor,
    state_tensors,
)
from preprocessing.schema import Feature, Numeric, Schema, Sequence, Text

FAMILY = "offline_online"
PREPROCESS, PREPROCESS_NVTABULAR = "preprocess", "preprocess_nvtabular"
ENCODER, RANKER, DECODE = "offline_encoder", "online_ranker", "decode"
RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED = "recommend", "recommend_nvtabular", "recommend_fused"

Format = Literal["onnx", "torchscript"]
BACKENDS: dict[Format, Backend] = {"onnx": "onnxruntime", "torchscript": "pytorch"}


@dataclass(frozen=True)
class Plan:
    """All that the repository's configs are made of; `digest` is empty for a schema that was never fitted.

    `compiled`: whether the workflow has an equal graph. `reference_path`: whether NVTabular itself is served beside it.
    """

    schema: Schema
    dim: int
    top_k: int = 100
    max_batch_size: int = 64
    format: Format = "onnx"
    exclude_seen: bool = True
    digest: str = ""
    compiled: bool = True
    reference_path: bool = True

    @property
    def family(self) -> str:
        return FAMILY

    @property
    def fused(self) -> bool:
        """Whether all of the chain is ONNX, and so can be one graph."""
        return self.compiled and self.format == "onnx"

    @property
    def serves_nvtabular(self) -> bool:
        return self.reference_path or not self.compiled

    @property
    def request(self) -> tuple[Tensor, ...]:
        return tuple(request_tensor(feature) for feature in self.schema.request_features)

    @property
    def encoded(self) -> tuple[Tensor, ...]:
        return tuple(encoded_tensor(feature) for feature in self.schema.request_features)

    @property
    def encoder_inputs(self) -> tuple[Tensor, ...]:
        return tuple(encoded_tensor(feature) for feature in self.schema.stage("offline"))

    @property
    def state(self) -> tuple[Tensor, ...]:
        """The offline state; empty without offline features, and then there is no `offline_encoder`."""
        return state_tensors(self.schema, self.dim)

    @property
    def ranker_features(self) -> tuple[Feature, ...]:
        return online_features(self.schema, self.exclude_seen)

    @property
    def ranker_inputs(self) -> tuple[Tensor, ...]:
        return self.state + tuple(encoded_tensor(feature) for feature in self.ranker_features)

    @property
    def ranking(self) -> tuple[Tensor, ...]:
        return (Tensor(ITEM_IDS, "int64", (self.top_k,)), Tensor(SCORE, "float32", (self.top_k,)))

    @property
    def answer(self) -> tuple[Tensor, ...]:
        return (Tensor(ITEM_ID, "string", (self.top_k,)), Tensor(SCORE, "float32", (self.top_k,)))


def configs(plan: Plan) -> tuple[ModelConfig, ...]:
    """One config a model, in the order of the chain, the ensembles last."""
    learned = BACKENDS[plan.format]
    ranker = member(plan, RANKER, learned, plan.ranker_inputs, plan.ranking)
    chain = (*offline_encoder(plan), ranker, decoding(plan))
    return served_in_three_ways(plan, (RECOMMEND, RECOMMEND_NVTABULAR, RECOMMEND_FUSED), plan.request, chain)


def offline_encoder(plan: Plan) -> tuple[ModelConfig, ...]:
    """Return the encoder, or nothing where the schema has no offline features."""
    return (member(plan, ENCODER, BACKENDS[plan.format], plan.encoder_inputs, plan.state),) if plan.state else ()


def decoding(plan: Plan) -> ModelConfig:
    return member(plan, DECODE, "onnxruntime", plan.ranking[:1], plan.answer[:1])


def served_in_three_ways(
    plan: Plan,
    names: tuple[str, str, str],
    request: tuple[Tensor, ...],
    chain: tuple[ModelConfig, ...],
    beside: tuple[ModelConfig, ...] = (),
) -> tuple[ModelConfig, ...]:
    """All models of a family: what preprocesses, the chain behind it, what stands beside, and the ways through them.

    Args:
        plan: What of it the repository can have.
        names: Of the default ensemble, of the one by NVTabular, of the fused graph.
        request: What each of the three takes.
        chain: The models behind preprocessing.
        beside: Models that are no part of it.

    """
    default, by_nvtabular, fused = names
    first, interpreted = preprocessing(plan), _interpreted(plan)
    members = (
        *([first] if plan.compiled else []),
        *([interpreted] if plan.serves_nvtabular else []),
        *chain,
        *beside,
        *([member(plan, fused, "onnxruntime", request, plan.answer)] if plan.fused else []),
    )
    ensembles = (
        ensemble(plan, default, request, (first, *chain)),
        *([ensemble(plan, by_nvtabular, request, (interpreted, *chain))] if plan.reference_path else []),
    )
    return (*map(as_backend_takes, members), *ensembles)


def preprocessing(plan: Plan) -> ModelConfig:
    """The model that default ensembles begin with."""
    if plan.compiled:
        return member(plan, PREPROCESS, "onnxruntime", plan.request, plan.encoded)
    return _interpreted(plan)


def _interpreted(plan: Plan) -> ModelConfig:
    parameters = _preprocess_parameters(plan.schema.request_features)
    return member(plan, PREPROCESS_NVTABULAR, "python", plan.request, plan.encoded, parameters)


def _preprocess_parameters(features: tuple[Feature, ...]) -> dict[str, str]:
    """What the python model has to know of a feature beyond its tensors."""
    parameters: dict[str, str] = {}
    for feature in features:
        bucketed = isinstance(feature, Numeric) and feature.buckets
        parameters[f"kind.{feature.name}"] = "bucketed" if bucketed else feature.kind
        if isinstance(feature, Sequence | Text):
            parameters[f"max_length.{feature.name}"] = str(feature.max_length)
        if isinstance(feature, Text) and feature.separator:
            parameters[f"separator.{feature.name}"] = feature.separator
    return parameters
