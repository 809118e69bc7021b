"""The tensors between the models of the repository, derived from the schema.

A request has feature `x` as `x`; encoded by the workflow it is called `x.encoded`. An ONNX graph with both
needs two names, and the schema's names have no dot. Shapes are without the batch; -1 is a length chosen by the request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from preprocessing.schema import Feature, Layout

Dtype = Literal["string", "int64", "float32"]
ENCODED = ".encoded"
ITEM_ID, SCORE, ITEM_IDS = "item_id", "score", "item_ids"


@dataclass(frozen=True)
class Tensor:
    """A model's input or output; `longest` is the maximum of the -1 in `dims`, if known."""

    name: str
    dtype: Dtype
    dims: tuple[int, ...]
    longest: int | None = None

    def renamed(self, name: str) -> Tensor:
        return replace(self, name=name)


def request_tensor(feature: Feature) -> Tensor:
    """Return the tensor that a client sends for a feature."""
    return _tensor(feature.name, feature.request)


def encoded_tensor(feature: Feature) -> Tensor:
    """Return the encoded tensor of a feature; sequences and texts are padded right with 0."""
    return _tensor(feature.name + ENCODED, feature.encoded)


def _tensor(name: str, layout: Layout) -> Tensor:
    return Tensor(name, layout.dtype, layout.dims, layout.longest)
