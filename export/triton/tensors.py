"""The tensors that pass between the models of the repository, as the schema asks for them.

A request carries feature `x` as `x`; encoded by the workflow it is called `x.encoded`: an ONNX graph that holds both
needs two names, and the schema's names have no dot. Shapes leave out the batch; -1 is a length that a request chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Schema, Sequence, Text
from training.families.offline_online.model import has_repeats, ranker_features

Dtype = Literal["string", "int64", "float32"]
ENCODED = ".encoded"
ITEM_ID, SCORE, ITEM_IDS = "item_id", "score", "item_ids"


@dataclass(frozen=True)
class Tensor:
    """A model's input or output; `longest` is the most that the -1 in `dims` may become, where that is known."""

    name: str
    dtype: Dtype
    dims: tuple[int, ...]
    longest: int | None = None

    def renamed(self, name: str) -> Tensor:
        return replace(self, name=name)


def _items(name: str, dtype: Dtype, longest: int) -> Tensor:
    """Of a sequence that was encoded, padded to 1 at least: one of at most 1 has a width that is known."""
    return Tensor(name, dtype, (-1,) if longest > 1 else (1,), longest)


def request_tensor(feature: Feature) -> Tensor:
    """What a client sends for a feature."""
    match feature:
        case Categorical():
            return Tensor(feature.name, "string" if feature.dtype == "string" else "int64", (1,))
        case Text():
            return Tensor(feature.name, "string", (1,))
        case Numeric():
            return Tensor(feature.name, "float32", (1,))
        case Pretrained():
            return Tensor(feature.name, "float32", (feature.dim,))
        case Sequence():
            return Tensor(feature.name, "string", (-1,), feature.max_length)


def encoded_tensor(feature: Feature) -> Tensor:
    """What the workflow makes of a feature: sequences and texts are padded right with 0."""
    name = feature.name + ENCODED
    match feature:
        case Sequence():
            return _items(name, "int64", feature.max_length)
        case Text():
            return Tensor(name, "int64", (feature.max_length,))
        case Pretrained():
            return Tensor(name, "float32", (feature.dim,))
        case Numeric() if not feature.buckets:
            return Tensor(name, "float32", (1,))
        case Categorical() | Numeric():
            return Tensor(name, "int64", (1,))


def state_tensors(schema: Schema, dim: int) -> tuple[Tensor, ...]:
    """Return what the offline encoder gives and the online ranker takes.

    Without repeat sequences it is the embedding alone, without offline features nothing.
    """
    embedding = Tensor("user_embedding", "float32", (dim,))
    offline = schema.stage("offline")
    if not offline:
        return ()
    if not has_repeats(offline):
        return (embedding,)
    longest = sum(feature.max_length for feature in offline if isinstance(feature, Sequence) and feature.repeat)
    return (
        embedding,
        _items("repeat_items", "int64", longest),
        _items("repeat_logits", "float32", longest),
    )


def online_features(schema: Schema, exclude_seen: bool) -> tuple[Feature, ...]:
    """What the ranker reads of a request; excluded sequences of the offline side only where they are masked."""
    return ranker_features(schema) if exclude_seen else schema.stage("online")
