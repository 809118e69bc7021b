"""Numeric operators, each in the type in which pandas computes it: float64 stays float64, LogOp returns float32.

All take and return [B, 1].
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from export.errors import UnsupportedWorkflow
from export.graphs.workflow.expressions import Bucketed, Clipped, Filled, Halved, Logarithm, Number, Scaled
from export.graphs.workflow.graph import Graph, Value

_FLOAT32, _FLOAT64, _INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def emit_fill(graph: Graph, x: Value, expression: Filled) -> Value:
    """Replace NaN with the fill value."""
    if not x.nullable:
        return x
    if isinstance(expression.value, str):
        raise UnsupportedWorkflow(f"{graph.column}: fills numbers with {expression.value!r}: give a number")
    x = _holding(graph, x, expression.value, "FillMissing with")
    is_null = graph.node("IsNaN", [x.name], "is_null")
    filled = graph.node("Where", [is_null, graph.constant(expression.value, x.stored), x.name], "fill")
    return replace(x, name=filled, nullable=bool(np.isnan(expression.value)))


def emit_was_null(graph: Graph, x: Value) -> Value:
    """Return whether a number is NaN."""
    if x.nullable:
        return Value(graph.node("IsNaN", [x.name], "was_null"), np.dtype(bool), exact=x.exact)
    return Value(graph.node("Less", [x.name, x.name], "was_null"), np.dtype(bool))


def emit_clip(graph: Graph, x: Value, expression: Clipped) -> Value:
    """Clip to `low` and `high` and keep NaN, which ONNX's Clip does not specify."""
    bounds = (expression.low, expression.high)
    for bound in bounds:
        if bound is not None:
            x = _holding(graph, x, bound, "Clip at")
    if x.dtype.kind == "f" and not x.nullable:
        limits = ["" if bound is None else graph.constant(bound, x.stored) for bound in bounds]
        return replace(x, name=graph.node("Clip", [x.name, *limits], "clip"))
    for bound, comparison in zip(bounds, ("Less", "Greater"), strict=True):
        if bound is not None:
            compared = x.stored if x.held else np.result_type(np.empty(0, x.dtype), bound)
            operands = [graph.typed(x, compared), graph.constant(bound, compared)]
            outside = graph.node(comparison, operands, f"is_{comparison.lower()}")
            x = replace(x, name=graph.node("Where", [outside, graph.constant(bound, x.stored), x.name], "clip"))
    return x


def emit_log(graph: Graph, x: Value, _: Logarithm) -> Value:
    """Return log(1 + x) in float32, rounded from float64: in float32 ONNX Runtime's last bits depend on the position.

    numpy computes it in float32 by a polynomial, up to 4 units in the last place from the true one.
    """
    single = graph.typed(x, _FLOAT32)
    sum_ = graph.node("Add", [single, graph.constant(1, _FLOAT32)], "one_plus")
    log = graph.node("Log", [graph.cast(sum_, _FLOAT32, _FLOAT64)], "log")
    return Value(graph.cast(log, _FLOAT64, _FLOAT32), _FLOAT32, nullable=True, exact=False)


def emit_scale(graph: Graph, x: Value, expression: Scaled) -> Value:
    """Return (x - shift) / scale in the type that numpy chooses for an array and a scalar."""
    value = _with_scalar(graph, "Sub", x, expression.shift)
    if expression.scale is not None:
        if value.dtype.kind != "f":
            value = Value(graph.typed(value, _FLOAT64), _FLOAT64)
        value = _with_scalar(graph, "Div", value, expression.scale)
    dtype = np.dtype(expression.dtype)
    return Value(graph.cast(value.name, value.dtype, dtype), dtype, nullable=True, exact=x.exact)


def emit_halve(graph: Graph, x: Value, expression: Halved) -> Value:
    """Return x / 2x: a half, NaN at 0."""
    double = _with_scalar(graph, "Mul", x, 2)
    common = np.result_type(x.dtype, double.dtype)
    common = common if common.kind == "f" else _FLOAT64
    operands = [graph.typed(value, common) for value in (x, double)]
    dtype = np.dtype(expression.dtype)
    ratio = graph.node("Div", operands, "halve")
    return Value(graph.cast(ratio, common, dtype), dtype, nullable=True, exact=x.exact)


def emit_bucketize(graph: Graph, x: Value, expression: Bucketed) -> Value:
    """Return the number of boundaries that are not above x [B, 1]: [B, n] compared and counted; NaN is above all."""
    if not x.exact:
        raise UnsupportedWorkflow(
            f"{graph.column}: Bucketize after LogOp depends on its last bit: bucketize the raw number"
        )
    boundaries = np.asarray(expression.boundaries)
    compared = np.promote_types(boundaries.dtype, x.dtype)
    if x.held and all(_holds(x.held, boundary) for boundary in boundaries):
        compared = x.held
    below = graph.node("Less", [graph.typed(x, compared), graph.constant(boundaries, compared)], "is_below")
    reached = graph.cast(graph.node("Not", [below], "is_reached"), np.dtype(bool), _INT64)
    axis = graph.constant([1], _INT64)
    return Value(graph.node("ReduceSum", [reached, axis], "bucketize", keepdims=1), _INT64)


def _with_scalar(graph: Graph, operator: str, x: Value, scalar: Number) -> Value:
    dtype = np.result_type(np.empty(0, x.dtype), scalar)
    operands = [graph.typed(x, dtype), graph.constant(scalar, dtype)]
    name = {"Sub": "subtract", "Div": "divide", "Mul": "multiply"}[operator]
    return Value(graph.node(operator, operands, name), dtype, nullable=x.nullable, exact=x.exact)


def _holding(graph: Graph, x: Value, number: Number, what: str) -> Value:
    """Return the value in a type that represents `number`; refuse it if pandas would widen the column for some rows."""
    if x.held and not _holds(x.held, number):
        x = replace(x, name=graph.typed(x, x.dtype), held=None)
    if not _holds(x.stored, number):
        raise UnsupportedWorkflow(
            f"{graph.column}: {what} {number} on {x.dtype}, which cannot represent it, so NVTabular's type depends "
            "on the other rows: give a value that it can represent"
        )
    return x


def _holds(dtype: np.dtype[Any], number: Number) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        held = np.asarray(number).astype(dtype)
    return bool(held == number or (np.isnan(number) and dtype.kind == "f"))
