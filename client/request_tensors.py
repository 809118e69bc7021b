"""The conversion of requests, as mappings of features, to the model's tensors.

Example for inputs household_id BYTES [B, 1], hour INT64 [B, 1], basket_value FP32 [B, 1], recent_items
BYTES [B, L]:

    in   [{"household_id": "1", "hour": 9, "recent_items": ["a", "b"]}, {"hour": 20, "basket_value": 3.5}]
    out  household_id [[b"1"], [b""]]     hour [[9], [20]]     basket_value [[nan], [3.5]]
         recent_items [[b"a", b"b", b"", b"", b"", b"", b"", b""], [b"", b"", b"", b"", b"", b"", b"", b""]]

A missing string is null and sent as "", a missing number as NaN, a missing vector as zeros; a missing sequence is
empty. A string with a NUL character is refused: NVIDIA's backends cut it there, and `2223\0junk` would be 2223.
A missing int is refused, because INT64 has no null; if it is optional in the model, it is sent
as the smallest int, which no fit knows. An optional input is not sent at all if no
request of the batch has it. Sequences are oldest first and
padded with "" to the next of `LENGTH_BUCKETS`, so that requests of different users have equal shapes and
the server can batch them; a longer one is sent unchanged: the client never drops an item, the model truncates
sequences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

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
    """Return the smallest bucket for `length` items; `length` itself past the last bucket."""
    return next((bucket for bucket in LENGTH_BUCKETS if length <= bucket), length)


def build_tensors(
    signature: Signature,
    requests: Sequence[Mapping[str, object]],
    sequence_length: int | None = None,
    first: int = 0,
) -> dict[str, NDArray[Any]]:
    """Return one array `[B, ...]` for each of the model's inputs, except for optional ones that no request has.

    `sequence_length`: pad every sequence to at least this many items, instead of the bucket of the batch's
    longest. `first`: the position of the first request in the caller's list. Raises InvalidRequest naming the
    request's position and the feature at fault.
    """
    for position, request in enumerate(requests, start=first):
        if not isinstance(request, Mapping):
            raise InvalidRequest(
                f"request {position}: seen {_shown(request)}: give a mapping of feature names to values"
            )
        unknown = next((name for name in request if name not in signature.inputs), None)
        if unknown is not None:
            known = ", ".join(signature.inputs)
            raise InvalidRequest(
                f"request {position}: {signature.model} takes no feature {unknown!r}: it takes {known}"
            )
    arrays: dict[str, NDArray[Any]] = {}
    for name, spec in signature.inputs.items():
        feature = _Feature(signature.model, spec, first)
        build = feature.builder(sequence_length)
        values = [request.get(name) for request in requests]
        if spec.optional and all(value is None for value in values):
            continue
        if name in signature.optional and spec.datatype in _INTEGERS:
            least = np.iinfo(_INTEGERS[spec.datatype]).min
            values = [least if value is None else value for value in values]
        arrays[name] = build(values)
    return arrays


@dataclass(frozen=True)
class _Feature:
    """One input of a model, filled from the values of requests that begin at position `first`."""

    model: str
    spec: TensorSpec
    first: int

    def builder(self, sequence_length: int | None) -> Callable[[list[object]], NDArray[Any]]:
        spec = self.spec
        if spec.datatype == "BYTES" and spec.dims == (1,):
            return lambda values: _strings([[self._text(i, value)] for i, value in enumerate(values)], 1)
        if spec.is_history:
            return lambda values: self._sequences(values, sequence_length)
        if spec.datatype in _INTEGERS and spec.dims == (1,):
            return self._integers
        if spec.datatype in _FLOATS and len(spec.dims) == 1 and spec.dims[0] > 0:
            return self._numbers
        raise InvalidRequest(
            f"{spec.name}: input {spec.datatype} {list(spec.dims)} is not a request feature: "
            "call infer with an array of it"
        )

    def _text(self, row: int, value: object) -> bytes:
        if value is None:
            return b""
        if not isinstance(value, str):
            raise self._refusal(row, f"seen {_shown(value)}", "a string, or null if there is none")
        if "\0" in value:
            raise self._refusal(
                row, f"has a NUL character ({_shown(value)}), at which backends cut a string", "it without"
            )
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise self._refusal(row, f"seen {_shown(value)}", "text that is valid unicode") from None

    def _sequences(self, values: list[object], sequence_length: int | None) -> NDArray[Any]:
        rows: list[list[bytes]] = []
        for row, value in enumerate(values):
            items = () if value is None else value
            if not _is_list(items):
                raise self._refusal(row, f"seen {_shown(value)}", "a list of strings, oldest first")
            rows.append([self._text(row, item) for item in items])
        longest = max((len(row) for row in rows), default=0)
        return _strings(rows, max(longest, sequence_length) if sequence_length else bucket_length(longest))

    def _integers(self, values: list[object]) -> NDArray[Any]:
        dtype = _INTEGERS[self.spec.datatype]
        limits = np.iinfo(dtype)
        for row, value in enumerate(values):
            if value is None:
                describe = f"an int (`python -m client describe --model {self.model}` shows what each feature takes)"
                raise self._refusal(row, f"is missing, and {self.spec.datatype} has no null", describe)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise self._refusal(row, f"seen {_shown(value)}", "an int")
            if not limits.min <= int(value) <= limits.max:
                raise self._refusal(row, f"seen {_shown(value)}", f"an int that fits into {self.spec.datatype}")
        return np.array([[value] for value in values], dtype=dtype).reshape(len(values), 1)

    def _numbers(self, values: list[object]) -> NDArray[Any]:
        """Return numbers `[B, 1]`, with NaN for null; or vectors `[B, dim]`, with zeros for null."""
        dim = self.spec.dims[0]
        array = np.full((len(values), dim), math.nan if dim == 1 else 0.0, dtype=_FLOATS[self.spec.datatype])
        expected = "a number, or null if there is none" if dim == 1 else f"a list of {dim} numbers"
        for row, value in enumerate(values):
            if value is None:
                continue
            numbers = [value] if dim == 1 and _is_number(value) else value
            if not _is_list(numbers) or len(numbers) != dim or not all(map(_is_number, numbers)):
                raise self._refusal(row, f"seen {_shown(value)}", expected)
            with np.errstate(over="ignore"):
                array[row] = numbers
        return array

    def _refusal(self, row: int, seen: str, remedy: str) -> InvalidRequest:
        return InvalidRequest(f"request {self.first + row}: {self.spec.name}: {seen}: give {remedy}")


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def _strings(rows: list[list[bytes]], length: int) -> NDArray[Any]:
    array = np.full((len(rows), length), b"", dtype=np.object_)
    for row, values in enumerate(rows):
        array[row, : len(values)] = values
    return array


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True
