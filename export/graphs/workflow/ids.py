"""Categorify of single values: dictionaries from keys to ids, as LabelEncoder nodes.

LabelEncoder was measured with 1,000,000 string keys (`benchmarks/workflow.py`): it loads in half a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from export.errors import UnsupportedWorkflow
from export.graphs.workflow.expressions import Encoded, EncodedTogether, Expression, Filled, Raw, WasNull
from export.graphs.workflow.graph import Graph, Value
from export.graphs.workflow.vocabulary import Key, Vocabulary

_INT64 = np.dtype(np.int64)
_NULL = ""


def is_string(expression: Expression) -> bool:
    """Return whether the expression is one string per row, from the request, possibly with filled nulls."""
    while isinstance(expression, Filled):
        expression = expression.of
    return isinstance(expression, Raw) and expression.column.kind == "string"


def emit_was_null_string(graph: Graph, expression: WasNull) -> Value:
    """Return whether a string is null; a filled one is not."""
    raw, fill = _string(graph, expression.of)
    found = label_encoder(graph, raw, {_NULL: int(fill is None)}, 0, "was_null")
    return Value(graph.cast(found, _INT64, np.dtype(bool)), np.dtype(bool))


def emit_encode(graph: Graph, expression: Encoded, x: Value | None) -> Value:
    """Encode [B, 1] as [B, 1] int64; `x` is the value, None for a string, which comes directly from the request."""
    vocabulary = expression.vocabulary
    raw, keys, null = _keys(graph, expression.of, x, vocabulary, 0)
    ids = {key: id_ for key, id_ in vocabulary.single().items() if isinstance(key, keys)}
    if keys is str:
        ids[_NULL] = vocabulary.null if null is None else ids.get(null, vocabulary.unknown)
    return Value(label_encoder(graph, raw, ids, vocabulary.unknown, "encode"), _INT64)


def emit_encode_together(graph: Graph, expression: EncodedTogether, parts: tuple[Value | None, ...]) -> Value:
    """Encode several [B, 1] as one [B, 1]: a number per part, 0 if unknown, and the id of the combined numbers."""
    vocabulary = expression.vocabulary
    numbers: list[dict[Key, int]] = []
    together, stride, strides = None, 1, []
    for place, (of, x) in enumerate(zip(expression.of, parts, strict=True)):
        raw, keys, null = _keys(graph, of, x, vocabulary, place)
        values = dict.fromkeys((key[place] for key in vocabulary.ids), 0)
        number = {value: 1 + rank for rank, value in enumerate(dict.fromkeys((*values, None)))}
        coded = {value: rank for value, rank in number.items() if isinstance(value, keys)}
        if keys is str:
            coded[_NULL] = number[None] if null is None else number.get(null, 0)
        code = label_encoder(graph, raw, coded, 0, f"part_{place}")
        if stride > 1:
            code = graph.node("Mul", [code, graph.constant(stride, _INT64)], f"digit_{place}")
        together = code if together is None else graph.node("Add", [together, code], f"parts_to_{place}")
        numbers.append(number)
        strides.append(stride)
        stride *= len(number) + 1
    if stride > np.iinfo(np.int64).max:
        raise UnsupportedWorkflow(f"{graph.column}: it has more combinations than int64 can number: combine fewer")
    assert together is not None
    ids: dict[Key, int] = {
        sum(number[part] * step for number, part, step in zip(numbers, key, strides, strict=True)): id_
        for key, id_ in vocabulary.ids.items()
    }
    if set(vocabulary.kinds) == {"object"}:
        ids[sum(number[None] * step for number, step in zip(numbers, strides, strict=True))] = vocabulary.null
    return Value(label_encoder(graph, together, ids, vocabulary.unknown, "encode"), _INT64)


def label_encoder(graph: Graph, x: str, ids: Mapping[Key, int], default: int, name: str) -> str:
    """Look up keys of one type, any shape; return int64."""
    # LabelEncoder takes no empty list of keys; a key with the default id has no effect.
    ids = ids or {0: default}
    keys = list(ids)
    known: dict[str, Any] = {"keys_strings" if isinstance(keys[0], str) else "keys_int64s": keys}
    values = list(ids.values())
    return graph.node("LabelEncoder", [x], name, None, **known, values_int64s=values, default_int64=default)


def _keys(
    graph: Graph, of: Expression, x: Value | None, vocabulary: Vocabulary, part: int
) -> tuple[str, type, str | None]:
    """Return the tensor of keys, their Python type, and the fill value of nulls."""
    kind = vocabulary.kinds[part]
    if x is None:
        if kind != "object":
            raise UnsupportedWorkflow(f"{graph.column}: was fitted on {kind}, the request has strings: make it an int")
        raw, fill = _string(graph, of)
        return raw, str, fill
    if x.dtype.kind not in "ib":
        raise UnsupportedWorkflow(f"{graph.column}: Categorify of {x.dtype} numbers: Bucketize them first")
    if not vocabulary.ids:
        return graph.typed(x, _INT64), int, None
    if kind == "object":
        raise UnsupportedWorkflow(
            f"{graph.column}: Categorify was fitted on strings and gets integers: apply it once, to the raw string"
        )
    narrow = graph.typed(x, np.dtype(kind))
    return graph.cast(narrow, np.dtype(kind), _INT64), int, None


def _string(graph: Graph, expression: Expression) -> tuple[str, str | None]:
    """Return the request's strings and the fill value of their nulls: the innermost fill, after which none is null."""
    fill: str | None = None
    while isinstance(expression, Filled):
        if not isinstance(expression.value, str):
            raise UnsupportedWorkflow(f"{graph.column}: fills strings with {expression.value!r}: give a string")
        fill = expression.value
        expression = expression.of
    assert isinstance(expression, Raw)
    return expression.column.name, fill
