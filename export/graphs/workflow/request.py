"""The request tensors of the workflow's raw columns, as `preprocess_nvtabular` takes them.

kind      tensor             meaning
string    string [B, 1]      "" is null
int       int64 [B, 1]
number    float32 [B, 1]     NaN is null
items     string [B, L]      "" is padding at any position; of the rest the newest (last) `max_length` count
integers  int64 [B, L]       a list, every position a value
vector    float32 [B, dim]   passed through
text      string [B, 1]      words in lower case; no graph equals Python's, see `refuse_text`
"""

from __future__ import annotations

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Literal

from export.errors import UnsupportedWorkflow
from export.triton.tensors import Tensor
from preprocessing.schema import Feature

Kind = Literal["string", "int", "number", "items", "integers", "vector", "text"]


@dataclass(frozen=True)
class RequestColumn:
    """A tensor of a request; `max_length` bounds `items` (None: all count), `dim` is the size of a `vector`."""

    name: str
    kind: Kind
    max_length: int | None = None
    dim: int = 1

    @property
    def tensor(self) -> Tensor:
        dtype: dict[Kind, Literal["string", "int64", "float32"]] = {
            "int": "int64", "integers": "int64", "number": "float32", "vector": "float32",
        }  # fmt: skip
        dims = (-1,) if self.kind in ("items", "integers") else (self.dim,)
        return Tensor(self.name, dtype.get(self.kind, "string"), dims, self.max_length)


def request_columns(features: Rows[Feature]) -> tuple[RequestColumn, ...]:
    """Return the raw columns of a schema's request features."""
    return tuple(_request_column(feature) for feature in features)


def _request_column(feature: Feature) -> RequestColumn:
    request = feature.request
    match request.form, request.dtype:
        case "list", _:
            return RequestColumn(feature.name, "items", request.longest)
        case "vector", _:
            return RequestColumn(feature.name, "vector", dim=request.length)
        case _, "float32":
            return RequestColumn(feature.name, "number")
        case _, "int64":
            return RequestColumn(feature.name, "int")
    if feature.is_split:
        return RequestColumn(feature.name, "text", feature.encoded.length)
    return RequestColumn(feature.name, "string")


def refuse_text(columns: Rows[RequestColumn]) -> None:
    """Raise `UnsupportedWorkflow` for the first text.

    Python's `lower` and `split` support all of Unicode (final sigma, dotted I, ideographic space). ONNX's
    StringNormalizer lower-cases letter by letter by the C locale of the serving machine, and fails the whole batch at
    one string that is not UTF-8; StringSplit splits at ASCII white space.
    """
    for column in columns:
        if column.kind == "text":
            raise UnsupportedWorkflow(
                f"{column.name}: ONNX cannot split a text into the same words as Python's lower() and split(): "
                "serve this workflow by preprocess_nvtabular"
            )
