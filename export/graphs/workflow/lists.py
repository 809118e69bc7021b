"""Lists of items: encoded, without padding, sliced, and aligned left in [B, W].

Only empty strings get id 0, so everything is counting of ids that are not 0. A row's positions are ranked from
its newest item (1, 2, …; 0 for padding); TopK of the ranks gives the positions of items, oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from export.errors import UnsupportedWorkflow
from export.graphs.workflow.expressions import Encoded, Expression, Filled, Raw, Sliced, raw_column
from export.graphs.workflow.graph import Graph
from export.graphs.workflow.ids import label_encoder
from export.graphs.workflow.request import RequestColumn
from export.graphs.workflow.vocabulary import Key, Vocabulary

_INT64 = np.dtype(np.int64)
_PADDING = 0
_END = np.iinfo(np.int64).max
# From this size on lists of one vocabulary share a dictionary: a dictionary takes a quarter of a KB per key, joining
# the strings of the lists a fifth of the time of 64 rows.
SHARED_KEYS = 100_000


@dataclass(frozen=True)
class ItemList:
    """A list column: successive [start:stop] slices, rows shorter than `pad_to` padded with `pad_value`."""

    column: RequestColumn
    slices: tuple[tuple[int, int], ...] = ()
    pad_to: int | None = None
    pad_value: Any = None
    vocabulary: Vocabulary | None = None

    @property
    def ids(self) -> dict[Key, int]:
        """Return ids by item, 0 for an empty string."""
        assert self.vocabulary is not None
        kind = self.vocabulary.kinds[0]
        is_string = self.column.kind == "items"
        if self.vocabulary.ids and is_string != (kind == "object"):
            raise UnsupportedWorkflow(
                f"{self.column.name}: was fitted on {kind}, requests carry {self.column.kind}: fit it on the same"
            )
        return self.vocabulary.single() | ({"": _PADDING} if is_string else {})

    @property
    def longest(self) -> int | None:
        """The maximal number of items of a row, None if unlimited."""
        lengths = [_longest(start, stop) for start, stop in self.slices]
        return self.pad_to or min((length for length in lengths if length is not None), default=None)


def is_list(expression: Expression) -> bool:
    """Return whether the expression is one list per row."""
    while isinstance(expression, Encoded | Sliced | Filled):
        expression = expression.of
    return isinstance(expression, Raw) and expression.column.kind in ("items", "integers")


def read_list(expression: Expression) -> ItemList:
    """Return the steps of a list in order. Raises `UnsupportedWorkflow` for other operators."""
    if isinstance(expression, Raw):
        newest = expression.column.max_length
        return ItemList(expression.column, () if newest is None else ((-newest, _END),))
    if not isinstance(expression, Encoded | Sliced):
        raise UnsupportedWorkflow(
            f"{raw_column(expression).name}: is a list, and only ListSlice and Categorify of one can be compiled: take "
            "other operators out"
        )
    before = read_list(expression.of)
    if isinstance(expression, Encoded):
        if before.vocabulary is not None:
            raise UnsupportedWorkflow(f"{before.column.name}: its list is encoded twice: encode it once")
        return replace(before, vocabulary=expression.vocabulary)
    if before.pad_to is not None:
        raise UnsupportedWorkflow(f"{before.column.name}: is sliced after it was padded: do both in one ListSlice")
    slices = (*before.slices, (expression.start, expression.stop))
    # NVTabular loses the padding of an encoded list: numpy's append returns a new array, which is dropped.
    if expression.pad_to is None or before.vocabulary is not None:
        return replace(before, slices=slices)
    return replace(before, slices=slices, pad_to=expression.pad_to, pad_value=expression.pad_value)


def emit_ids(graph: Graph, lists: Sequence[ItemList]) -> list[str]:
    """Encode raw lists [B, L] of one vocabulary as ids [B, L], by a dictionary each, or by one if it is large."""
    vocabulary = lists[0].vocabulary
    assert vocabulary is not None
    names = [each.column.name for each in lists]
    if len(lists) == 1 or len(vocabulary.ids) < SHARED_KEYS:
        encoded = []
        for name in names:
            graph.column = name
            encoded.append(label_encoder(graph, name, lists[0].ids, vocabulary.unknown, "encode"))
        return encoded
    graph.column = "+".join(names)
    together = graph.node("Concat", names, "concat", axis=1)
    ids = label_encoder(graph, together, lists[0].ids, vocabulary.unknown, "encode")
    lengths = graph.node("Concat", [_length(graph, name) for name in names], "lengths", axis=0)
    return graph.nodes("Split", [ids, lengths], "split", [f"{name}/encode" for name in names], axis=1)


def emit_list(graph: Graph, items: ItemList, ids: str) -> str:
    """Return ids [B, L] as [B, max(1, min(L, longest))], padded right with 0, or as [B, pad_to]."""
    if items.column.kind == "integers":
        return _emit_integers(graph, items, ids)
    # One more row, because TopK of no rows crashes ONNX Runtime 1.19 with a division by zero.
    ids = _pad(graph, ids, items.pad_to or 1, _PADDING, rows=1)
    rank = _rank(graph, ids)
    slices = _merge(items.slices)
    for place, (start, stop) in enumerate(slices):
        if place:
            rank = _rank(graph, rank)
        rank = _slice(graph, rank, start, stop)
    if any(_longest(start, stop) is None or start >= 0 or stop != _END for start, stop in slices):
        # Items sliced off at the right would otherwise fill the free positions of their row.
        ids = graph.node("Mul", [ids, _is_item(graph, rank)], "sliced")
    if items.pad_to:
        width = graph.constant([items.pad_to], _INT64)
    else:
        width = _width(graph, _length(graph, items.column.name), items.longest)
    _, order = graph.nodes("TopK", [rank, width], "order", ["", ""], axis=1)
    compact = graph.node("GatherElements", [ids, order], "compact", axis=1)
    rows = [graph.constant([number], _INT64) for number in (0, -1, 0)]
    padded = graph.node("Slice", [compact, *rows], "rows")
    return padded if items.pad_to is None else _fill_padding(graph, padded, items)


def _rank(graph: Graph, ids: str) -> str:
    """Rank [B, L] as [B, L]: 1 for the newest item, 2 for the one before it, …, 0 for padding."""
    is_item = _is_item(graph, ids)
    count = graph.node("CumSum", [is_item, graph.constant(1, _INT64)], "count_from_newest", reverse=1)
    return graph.node("Mul", [count, is_item], "rank_from_newest")


def _is_item(graph: Graph, ids: str) -> str:
    return graph.node("Min", [ids, graph.constant(1, _INT64)], "is_item")


def _slice(graph: Graph, rank: str, start: int, stop: int) -> str:
    """Apply Python's [start:stop] to each row's items: 0 outside of it."""

    def keep(compared: str, operator: str, limit: int) -> None:
        nonlocal rank
        kept = graph.node(operator, [compared, graph.constant(limit, _INT64)], "is_kept")
        rank = graph.node("Where", [kept, rank, graph.constant(0, _INT64)], "keep")

    if start > 0 or 0 <= stop < _END:
        from_oldest = graph.node("CumSum", [_is_item(graph, rank), graph.constant(1, _INT64)], "count_from_oldest")
    newest_first = rank
    if start < 0:
        keep(newest_first, "LessOrEqual", -start)
    elif start > 0:
        keep(from_oldest, "Greater", start)
    if stop < 0:
        keep(newest_first, "Greater", -stop)
    elif stop < _END:
        keep(from_oldest, "LessOrEqual", stop)
    return rank


def _emit_integers(graph: Graph, items: ItemList, ids: str) -> str:
    """Do the same as `emit_list` if every position is a value, so a row is as long as the tensor."""
    axis = graph.constant([1], _INT64)
    for start, stop in items.slices:
        ends = [graph.constant([start], _INT64), graph.constant([stop], _INT64)]
        ids = graph.node("Slice", [ids, *ends, axis], "slice")
    if items.pad_to:
        width, value = graph.constant([items.pad_to], _INT64), _pad_id(items)
    else:
        width, value = _width(graph, _length(graph, ids), None), _PADDING
    padded = _pad(graph, ids, items.pad_to or 1, value)
    return graph.node("Slice", [padded, graph.constant([0], _INT64), width, axis], "cut")


def _fill_padding(graph: Graph, ids: str, items: ItemList) -> str:
    is_padding = graph.node("Equal", [ids, graph.constant(_PADDING, _INT64)], "is_padding")
    return graph.node("Where", [is_padding, graph.constant(_pad_id(items), _INT64), ids], "fill_padding")


def _pad_id(items: ItemList) -> int:
    assert items.vocabulary is not None
    if items.column.kind == "integers":
        return items.ids.get(int(items.pad_value), items.vocabulary.unknown)
    return items.vocabulary.single().get(items.pad_value, items.vocabulary.unknown)


def _pad(graph: Graph, ids: str, columns: int, value: int, rows: int = 0) -> str:
    """Return the tensor with `columns` more at the right and `rows` more below."""
    pads = graph.constant([0, 0, rows, columns], _INT64)
    return graph.node("Pad", [ids, pads, graph.constant(value, _INT64)], "pad")


def _length(graph: Graph, name: str) -> str:
    return graph.node("Shape", [name], f"length_of_{name}", start=1, end=2)


def _width(graph: Graph, length: str, longest: int | None) -> str:
    if longest is None:
        return graph.node("Max", [length, graph.constant(1, _INT64)], "width")
    limits = [graph.constant(1, _INT64), graph.constant(max(1, longest), _INT64)]
    return graph.node("Clip", [length, *limits], "width")


def _longest(start: int, stop: int) -> int | None:
    """Return the maximal length of [start:stop] of a list of any length."""
    if start < 0:
        return -start if stop >= 0 else max(0, stop - start)
    return None if stop < 0 or stop == _END else max(0, stop - start)


def _merge(slices: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return the slices, with neighbours that both keep the newest merged."""
    merged: list[tuple[int, int]] = []
    for start, stop in slices:
        if merged and start < 0 and stop == _END and merged[-1][0] < 0 and merged[-1][1] == _END:
            merged[-1] = (max(start, merged[-1][0]), _END)
        else:
            merged.append((start, stop))
    return tuple(merged)
