"""The plan of one family's configs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from export.triton.config import Backend
from export.triton.tensors import ITEM_ID, ITEM_IDS, SCORE, Tensor, encoded_tensor, request_tensor
from preprocessing.schema import Schema

PREPROCESS, PREPROCESS_NVTABULAR, DECODE = "preprocess", "preprocess_nvtabular", "decode"
"""The models shared by all families."""

Format = Literal["onnx", "torchscript"]
BACKENDS: dict[Format, Backend] = {"onnx": "onnxruntime", "torchscript": "pytorch"}


@dataclass(frozen=True)
class Plan:
    """A schema, the sizes of a model, and the options of the export; a family adds what its configs need.

    `digest` is empty for a schema without a fit. `dim`: width of the vectors. `compiled`: whether the workflow
    has an equal graph. `reference_path`: whether NVTabular itself is served next to that graph.
    """

    family: ClassVar[str]

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
    def fused(self) -> bool:
        """Whether the whole chain is ONNX, so that it can be one graph."""
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
    def ranking(self) -> tuple[Tensor, ...]:
        return (Tensor(ITEM_IDS, "int64", (self.top_k,)), Tensor(SCORE, "float32", (self.top_k,)))

    @property
    def answer(self) -> tuple[Tensor, ...]:
        return (Tensor(ITEM_ID, "string", (self.top_k,)), Tensor(SCORE, "float32", (self.top_k,)))
