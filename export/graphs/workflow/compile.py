"""The compiler of a saved NVTabular workflow to one ONNX graph, from raw request tensors to `NAME.encoded`.

The graph's answers equal those of `preprocess_nvtabular`: ids exactly, numbers to the last bit. Only after a LogOp is
there a bound: numpy's float32 log differs by up to 4 units in the last place from the true one of the graph.
Zeros of either sign are equal, because ONNX Runtime's Where and Clip do not keep the sign.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from export.data.saved_workflow import SavedWorkflow
from export.errors import UnsupportedWorkflow
from export.graphs.workflow import ids, lists, numbers
from export.graphs.workflow.expressions import (
    Bucketed,
    Clipped,
    Encoded,
    EncodedTogether,
    Expression,
    Filled,
    Halved,
    Logarithm,
    Raw,
    Scaled,
    WasNull,
    raw_column,
)
from export.graphs.workflow.graph import Graph, Value
from export.graphs.workflow.read import read_workflow
from export.graphs.workflow.request import RequestColumn, refuse_text
from export.triton.tensors import ENCODED, Tensor

_FLOAT32, _FLOAT64, _INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def compile_workflow(
    workflow: SavedWorkflow,
    columns: Sequence[RequestColumn],
    path: str | Path,
    only: Collection[str] | None = None,
) -> tuple[Tensor, ...]:
    """Write a saved workflow as the ONNX file `path`; return the graph's outputs.

    Integers and indicators become int64, other numbers float32, in the order of the workflow's columns.

    Args:
        workflow: The saved workflow.
        columns: The request's tensors, all of which become inputs: `request_columns(features)`.
        path: The file to write.
        only: Names of the graph's columns; all if None.

    Raises:
        UnsupportedWorkflow: An operator, or its use on a column, has no equal graph; the message names it.

    """
    refuse_text(columns)
    kept = {name: each for name, each in read_workflow(workflow, columns).items() if only is None or name in only}
    return write_graph(kept, [column for column in columns if only is None or column.name in only], path)


def write_graph(
    expressions: dict[str, Expression], columns: Sequence[RequestColumn], path: str | Path
) -> tuple[Tensor, ...]:
    """Write the graph of the output columns, by name; return its outputs."""
    emitter = _Emitter(expressions)
    outputs = tuple(emitter.output(name) for name in expressions)
    emitter.graph.save([column.tensor for column in columns], outputs, Path(path))
    return outputs


class _Emitter:
    """Turn expressions into nodes, each once."""

    def __init__(self, expressions: dict[str, Expression]) -> None:
        self.graph = Graph()
        self._expressions = expressions
        self._done: dict[Expression, Value] = {}
        self._list_ids: dict[tuple[str, str], str] = {}
        by_vocabulary: dict[tuple[str, str], list[lists.ItemList]] = defaultdict(list)
        for expression in expressions.values():
            if lists.is_list(expression):
                items = lists.read_list(expression)
                if items.vocabulary is None:
                    raise UnsupportedWorkflow(f"{items.column.name}: is returned as raw items: end it with Categorify")
                group = by_vocabulary[items.vocabulary.digest, items.column.kind]
                if items.column not in [other.column for other in group]:
                    group.append(items)
        for (digest, _), group in by_vocabulary.items():
            for items, encoded in zip(group, lists.emit_ids(self.graph, group), strict=True):
                self._list_ids[digest, items.column.name] = encoded

    def output(self, name: str) -> Tensor:
        """Emit an output column as `NAME.encoded`."""
        self.graph.column = name
        expression, encoded = self._expressions[name], name + ENCODED
        if lists.is_list(expression):
            return self._list(lists.read_list(expression), encoded)
        column = raw_column(expression)
        if isinstance(expression, Raw) and column.kind == "vector":
            self.graph.node("Identity", [column.name], "pass", encoded)
            return Tensor(encoded, "float32", (column.dim,))
        value = self._value(expression)
        wanted = _FLOAT32 if value.dtype.kind == "f" else _INT64
        self.graph.node("Identity", [self.graph.typed(value, wanted)], "result", encoded)
        return Tensor(encoded, "float32" if wanted == _FLOAT32 else "int64", (1,))

    def _list(self, items: lists.ItemList, encoded: str) -> Tensor:
        assert items.vocabulary is not None
        ids_ = self._list_ids[items.vocabulary.digest, items.column.name]
        self.graph.node("Identity", [lists.emit_list(self.graph, items, ids_)], "result", encoded)
        # Padded to at least 1, so a column with at most one item has width 1.
        width = items.pad_to or (1 if items.longest == 1 else -1)
        return Tensor(encoded, "int64", (width,), items.longest)

    def _value(self, expression: Expression) -> Value:
        if expression not in self._done:
            self._done[expression] = self._emit(expression)
        return self._done[expression]

    def _emit(self, expression: Expression) -> Value:
        graph = self.graph
        match expression:
            case Raw():
                return self._raw(expression.column)
            case WasNull() if ids.is_string(expression.of):
                return ids.emit_was_null_string(graph, expression)
            case WasNull():
                return numbers.emit_was_null(graph, self._number(expression.of))
            case Filled():
                return numbers.emit_fill(graph, self._number(expression.of), expression)
            case Clipped():
                return numbers.emit_clip(graph, self._number(expression.of), expression)
            case Logarithm():
                return numbers.emit_log(graph, self._number(expression.of), expression)
            case Scaled():
                return numbers.emit_scale(graph, self._number(expression.of), expression)
            case Halved():
                return numbers.emit_halve(graph, self._number(expression.of), expression)
            case Bucketed():
                return numbers.emit_bucketize(graph, self._number(expression.of), expression)
            case Encoded():
                return ids.emit_encode(graph, expression, self._key(expression.of))
            case EncodedTogether():
                return ids.emit_encode_together(graph, expression, tuple(self._key(part) for part in expression.of))
            case _:
                raise UnsupportedWorkflow(
                    f"{graph.column}: is not a list, only lists can be sliced: take ListSlice out"
                )

    def _number(self, expression: Expression) -> Value:
        value = self._value(expression)
        if value.dtype.kind == "b":
            raise UnsupportedWorkflow(
                f"{self.graph.column}: is an indicator of filled values, NVTabular cannot compute with it"
            )
        return value

    def _key(self, expression: Expression) -> Value | None:
        return None if ids.is_string(expression) else self._value(expression)

    def _raw(self, column: RequestColumn) -> Value:
        """Return a number of the request in the type of pandas: int64, or the float32 as float64."""
        match column.kind:
            case "int":
                return Value(column.name, _INT64)
            case "number":
                return Value(column.name, _FLOAT64, held=_FLOAT32, nullable=True)
            case "vector":
                raise UnsupportedWorkflow(
                    f"{column.name}: is a vector, which can only pass through: drop its operators"
                )
            case "string" | "text":
                raise UnsupportedWorkflow(f"{self.graph.column}: is returned as raw strings: end it with Categorify")
            case _:
                raise UnsupportedWorkflow(
                    f"{column.name}: is a list, for which numeric operators cannot be compiled: take them out"
                )
