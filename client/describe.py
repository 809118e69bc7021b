"""The inputs and outputs of a model in words, and an example request: as JSON of a request file and as a curl line.

All of it comes from the server's metadata and configs. Example, for inputs user_id BYTES [B, 1], hour INT64 [B, 1]
and recent_items BYTES [B, L]:

    example_request   {"user_id": "a user_id", "hour": 1, "recent_items": ["an older one", "the newest"]}
    http_body         {"inputs": [{"name": "user_id", "datatype": "BYTES", "shape": [1, 1], "data": ["a user_id"]},
                       {"name": "hour", "datatype": "INT64", "shape": [1, 1], "data": [1]},
                       {"name": "recent_items", "datatype": "BYTES", "shape": [1, 2], "data": ["an older one", …]}]}
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from client.signature import EXCLUDE, ITEM_ID, KNOWN, REASON, SCORE, SOURCE, Signature, TensorSpec

_WORDS = {"BYTES": "string", "BOOL": "bool"}


@dataclass(frozen=True)
class FeatureDescription:
    """One input of a model: `kind` is its type in words, `absent` the meaning of a request without it."""

    name: str
    kind: str
    required: bool
    absent: str


def describe_features(signature: Signature, newest_kept: Mapping[str, int]) -> list[FeatureDescription]:
    """Describe every input; `newest_kept`: how many items of a sequence the model keeps, if known."""
    return [_feature(signature, spec, newest_kept.get(name)) for name, spec in signature.inputs.items()]


def describe_outputs(signature: Signature) -> dict[str, str]:
    """Describe every output, by name."""
    meanings = {
        ITEM_ID: ", best first",
        SCORE: ", one per item",
        SOURCE: ', "stored" or "computed" embedding',
        REASON: ', "model", or why the items are popular ones or none',
        KNOWN: ", share of the history's items that the model knows",
    }
    kinds = {name: _kind(spec).replace("vector of", "list of") for name, spec in signature.outputs.items()}
    return {name: kind + meanings.get(name, "") for name, kind in kinds.items()}


def example_request(signature: Signature) -> dict[str, Any]:
    """Return a request with every input and placeholders for ids; it excludes no items."""
    return {name: _example(spec) for name, spec in signature.inputs.items()}


def http_body(signature: Signature) -> dict[str, Any]:
    """Return the same request as the body of a POST to Triton's /v2/models/NAME/infer, with tensors as JSON."""
    tensors = []
    for name, spec in signature.inputs.items():
        value = _example(spec)
        data = value if isinstance(value, list) else [value]
        shape = [1, len(data)] if spec.is_sequence else [1, *(abs(dim) for dim in spec.dims)]
        tensors.append({"name": name, "datatype": spec.datatype, "shape": shape, "data": data})
    return {"inputs": tensors}


def infer_url(server: str, model: str) -> str:
    """Return the inference URL of a model on the server at an HTTP URL."""
    return f"{server}/v2/models/{quote(model, safe='')}/infer"


def curl_line(url: str, body: Mapping[str, Any]) -> str:
    """Return a line for a POSIX shell."""
    return f"curl -s {shlex.quote(url)} -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"


def _feature(signature: Signature, spec: TensorSpec, kept: int | None) -> FeatureDescription:
    unread = spec.name in signature.optional
    required = not (unread or spec.optional or spec.datatype in ("BYTES", "FP16", "FP32", "FP64"))
    kind = _kind(spec)
    if spec.is_history and spec.name == EXCLUDE:
        return FeatureDescription(spec.name, "list of strings", False, "empty: no item is left out of the answer")
    if spec.is_history:
        kind += ", oldest first" + (f"; the newest {kept} are kept" if kept else "")
    absent = _absent(spec, required)
    if spec.name == signature.user_key:
        absent += "; identifies the user of a stored embedding"
    if unread:
        absent += "; not read for a stored user"
    return FeatureDescription(spec.name, kind, required, absent)


def _absent(spec: TensorSpec, required: bool) -> str:
    if required:
        return f"refused: {spec.datatype} has no null"
    if spec.is_sequence:
        return "an empty history"
    if spec.datatype == "BYTES":
        return 'null, as is ""'
    if not spec.datatype.startswith("FP"):
        return "unknown"
    return "null, as is NaN" if spec.dims == (1,) else "null, as are zeros"


def _kind(spec: TensorSpec) -> str:
    word = _WORDS.get(spec.datatype) or ("number" if spec.datatype.startswith("FP") else "int")
    if spec.dims == (1,):
        return word
    sizes = [str(dim) for dim in spec.dims if dim != -1]
    if not sizes:
        return f"list of {word}s"
    return f"{'vector' if word == 'number' else 'list'} of {' x '.join(sizes)} {word}s"


def _example(spec: TensorSpec) -> Any:
    if spec.is_history:
        return [] if spec.name == EXCLUDE else ["an older one", "the newest"]
    value = {"BYTES": f"a {spec.name}", "BOOL": True}.get(spec.datatype, 1.0 if spec.datatype.startswith("FP") else 1)
    if spec.dims == (1,):
        return value
    return [value] * math.prod(abs(dim) for dim in spec.dims)
