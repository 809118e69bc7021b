"""Requests as people write them -> the tensors that the model takes.

Example, for inputs household_id BYTES [B, 1], hour INT64 [B, 1], basket_value FP32 [B, 1], recent_items
BYTES [B, L]:

    in   [{"household_id": "1", "hour": 9, "recent_items": ["a", "b"]}, {"hour": 20, "basket_value": 3.5}]
    out  household_id [[b"1"], [b""]]     hour [[9], [20]]     basket_value [[nan], [3.5]]
         recent_items [[b"a", b"b", b"", b"", b"", b"", b"", b""], [b"", b"", b"", b"", b"", b"", b"", b""]]

A missing string is null as "", a missing number NaN, a missing vector all zeros, a missing sequence is
empty. A missing int is refused: INT64 has no value that means null; where the model calls it optional it is sent
as the least of its type, which no fit knows. What the server lets a request leave out is not sent at all where no
request of the batch has it. Sequences go from oldest to newest and
are filled up with "" to the next of `LENGTH_BUCKETS`, so that requests of different users share shapes and
the server can batch them; a longer one is sent as it is: the client never drops an item, what is too long
is the model's to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.errors import InvalidRequest
from client.signature import Signature, TensorSpec

LENGTH_BUCKETS = (8, 16, 32, 64, 128, 256)

_INTEGERS: dict[str, type[np.signedinteger[Any]]] = {
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}
_FLOATS: dict[str, type[np.floating[Any]]] = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}


def bucket_length(length: int) -> int:
    """The least bucket that holds `length` items; `length` itself past the last bucket."""
    return next((bucket for bucket in LENGTH_BUCKETS if length <= bucket), length)


def build_tensors(
    signature: Signature, requests: Sequence[Mapping[str, object]], sequence_length: int | None = None
) -> dict[str, NDArray[Any]]:
    """One array `[B, ...]` for each of the model's inputs, but for optional ones that no request has.

    `sequence_length`: pad every sequence at least to this many items, in place of the bucket of the batch's
    longest. Raises InvalidRequest naming the request's position and the feature at fault.
    """
    for position, request in enumerate(requests):
        unknown = next((name for name in request if name not in signature.inputs), None)
        if unknown is not None:
            known = ", ".join(signature.inputs)
            raise InvalidRequest(
                f"request {position}: {signature.model} takes no feature {unknown!r}: it takes {known}"
            )
    arrays: dict[str, NDArray[Any]] = {}
    for name, spec in signature.inputs.items():
        build = _builder(spec, sequence_length)
        values = [request.get(name) for request in requests]
        if spec.optional and all(value is None for value in values):
            continue
        if name in signature.optional and spec.datatype in _INTEGERS:
            least = np.iinfo(_INTEGERS[spec.datatype]).min
            values = [least if value is None else value for value in values]
        arrays[name] = build(values)
    return arrays


def _builder(spec: TensorSpec, sequence_length: int | None) -> Callable[[list[object]], NDArray[Any]]:
    if spec.datatype == "BYTES" and spec.dims == (1,):
        return lambda values: _strings([[_text(spec, i, value)] for i, value in enumerate(values)], 1)
    if spec.datatype == "BYTES" and spec.is_sequence:
        return lambda values: _sequences(spec, values, sequence_length)
    if spec.datatype in _INTEGERS and spec.dims == (1,):
        return lambda values: _integers(spec, values)
    if spec.datatype in _FLOATS and len(spec.dims) == 1 and spec.dims[0] > 0:
        return lambda values: _numbers(spec, values)
    raise InvalidRequest(
        f"{spec.name}: input {spec.datatype} {list(spec.dims)} is no request feature: call infer with an array of it"
    )


def _refusal(spec: TensorSpec, position: int, expected: str, seen: object) -> InvalidRequest:
    shown = repr(seen) if len(repr(seen)) <= 60 else repr(seen)[:57] + "..."
    kind = type(seen).__name__
    return InvalidRequest(f"request {position}: {spec.name}: seen {kind} {shown}: give {expected}")


def _text(spec: TensorSpec, position: int, value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise _refusal(spec, position, "text that is valid unicode", value) from None
    raise _refusal(spec, position, "a string, or null where there is none", value)


def _strings(rows: list[list[bytes]], length: int) -> NDArray[Any]:
    array = np.full((len(rows), length), b"", dtype=np.object_)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array


def _sequences(spec: TensorSpec, values: list[object], sequence_length: int | None) -> NDArray[Any]:
    rows: list[list[bytes]] = []
    for position, value in enumerate(values):
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | np.ndarray | None):
            raise _refusal(spec, position, "a list of strings, oldest first", value)
        rows.append([_text(spec, position, item) for item in ([] if value is None else value)])
    longest = max((len(row) for row in rows), default=0)
    return _strings(rows, max(longest, sequence_length) if sequence_length else bucket_length(longest))


def _integers(spec: TensorSpec, values: list[object]) -> NDArray[Any]:
    dtype = _INTEGERS[spec.datatype]
    limits = np.iinfo(dtype)
    for position, value in enumerate(values):
        if value is None:
            raise InvalidRequest(
                f"request {position}: {spec.name}: is missing, and {spec.datatype} has no null: give an int"
            )
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise _refusal(spec, position, "an int", value)
        if not limits.min <= int(value) <= limits.max:
            raise _refusal(spec, position, f"an int that fits into {spec.datatype}", value)
    return np.array([[value] for value in values], dtype=dtype).reshape(len(values), 1)


def _numbers(spec: TensorSpec, values: list[object]) -> NDArray[Any]:
    """`[B, 1]`, null is NaN; or vectors `[B, dim]`, null is all zeros."""
    dim = spec.dims[0]
    array = np.full((len(values), dim), math.nan if dim == 1 else 0.0, dtype=_FLOATS[spec.datatype])
    expected = "a number, or null where there is none" if dim == 1 else f"a list of {dim} numbers"
    for position, value in enumerate(values):
        if value is None:
            continue
        row = [value] if dim == 1 and _is_number(value) else value
        if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str | bytes) or len(row) != dim:
            raise _refusal(spec, position, expected, value)
        if not all(_is_number(number) for number in row):
            raise _refusal(spec, position, expected, value)
        with np.errstate(over="ignore"):
            array[position] = row
    return array


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
