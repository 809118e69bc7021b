"""The graph `history_ids`: raw ids of a request as the ranker's ids, without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export.graphs.workflow.graph import Graph
from export.graphs.workflow.ids import label_encoder
from export.next_item.plan import EXCLUDE, EXCLUDED, HISTORY, HISTORY_IDS, KNOWN, POPULAR, REASON_CODE, NextItemPlan
from export.next_item.popular import PopularLists
from preprocessing.schema import FIRST_KNOWN_ID, NULL_ID, PADDING_ID, UNKNOWN_ID

_INT64, _FLOAT32, _BOOL = np.dtype(np.int64), np.dtype(np.float32), np.dtype(bool)


def write_history_ids(item_ids: Sequence[str], popular: PopularLists, plan: NextItemPlan, path: Path) -> None:
    """Write the graph `request` -> history.encoded [B, W], exclude.encoded [B, *], reason_code [B, 1], known [B, 1].

    history.encoded: the newest known items, at most `max_length`, oldest first, padded right with 0; W is the longest
    of the batch. exclude.encoded: ids that are no answers. known: the share of the history's ids that are known; 0 for
    an empty one. With contexts also popular.encoded [B, 1], the row's list. `item_ids[r]` is the raw id of id r.
    """
    graph = Graph()
    graph.column = HISTORY_IDS
    known: dict[Any, int] = {item: place for place, item in enumerate(item_ids) if place >= FIRST_KNOWN_ID}
    history = label_encoder(graph, HISTORY.name, {**known, "": PADDING_ID}, UNKNOWN_ID, "encode_history")
    exclude = label_encoder(graph, EXCLUDE.name, known, PADDING_ID, "encode_exclude")
    excluded = [history, exclude] if plan.exclude_seen else [exclude]
    graph.node("Concat", excluded, "all_excluded", EXCLUDED.name, axis=1)
    is_known = graph.node("GreaterOrEqual", [history, _int(graph, FIRST_KNOWN_ID)], "is_known")
    is_padding = graph.node("Equal", [history, _int(graph, PADDING_ID)], "is_padding")
    is_given = graph.node("Not", [is_padding], "is_given")
    known_items, given_items = _count(graph, is_known), _count(graph, is_given)
    _align_left(graph, history, is_known, known_items, plan)
    of_given = graph.node("Max", [given_items, _int(graph, 1)], "at_least_one")
    shares = [graph.cast(each, _INT64, _FLOAT32) for each in (known_items, of_given)]
    graph.node("Div", shares, "share_of_known", KNOWN.name)
    _reason(graph, known_items, given_items, _popular(graph, popular), popular)
    graph.save(plan.request, (*plan.encoded, REASON_CODE, KNOWN), path, HISTORY_IDS)


def _int(graph: Graph, value: int) -> str:
    return graph.constant([value], np.int64)


def _count(graph: Graph, flags: str) -> str:
    """Return the number of true flags [B, L] of each row, [B, 1]."""
    return graph.node("ReduceSum", [graph.cast(flags, _BOOL, _INT64), _int(graph, 1)], "count", keepdims=1)


def _align_left(graph: Graph, history: str, is_known: str, known_items: str, plan: NextItemPlan) -> None:
    """Move the newest known items to the left, in their order; all others go to a last column, which is cut off."""
    at_most = _int(graph, plan.max_length)
    longest = graph.node("ReduceMax", [known_items, _int(graph, 0)], "longest", keepdims=0)
    width = graph.node("Max", [graph.node("Min", [longest, at_most], "newest"), _int(graph, 1)], "width")
    from_here = graph.node(
        "CumSum", [graph.cast(is_known, _BOOL, _INT64), graph.constant(1, np.int64)], "known_from_here", reverse=1
    )
    kept = graph.node("Min", [known_items, at_most], "kept")
    place = graph.node("Sub", [kept, from_here], "place")
    is_new = graph.node("GreaterOrEqual", [place, _int(graph, 0)], "is_new")
    stays = graph.node("And", [is_known, is_new], "stays")
    target = graph.node("Where", [stays, place, width], "target")
    rows = graph.node("Shape", [history], "rows", start=0, end=1)
    beyond = graph.node("Add", [width, _int(graph, 1)], "and_one")
    shape = graph.node("Concat", [rows, beyond], "shape", axis=0)
    blank = graph.node("Expand", [_int(graph, PADDING_ID), shape], "blank")
    moved = graph.node("ScatterElements", [blank, target, history], "move", axis=1)
    graph.node("Slice", [moved, _int(graph, 0), width, _int(graph, 1)], "cut_off", plan.encoded[0].name)


def _popular(graph: Graph, popular: PopularLists) -> str | None:
    """Return the list of each row, [B, 1]: of the first feature whose value has one; None without contexts."""
    found: str | None = None
    for number, (name, lists) in reversed(list(enumerate(popular.list_ids.items()))):
        output = POPULAR.name if number == 0 else None
        ids: dict[Any, int] = {**lists, "": NULL_ID}
        own = label_encoder(graph, name, ids, UNKNOWN_ID, f"list_of_{name}")
        has_list = graph.node("GreaterOrEqual", [own, _int(graph, FIRST_KNOWN_ID)], f"{name}_has_list")
        other = own if found is None else graph.node("Max", [own, found], f"other_than_{name}")
        found = graph.node("Where", [has_list, own, other], f"list_by_{name}", output)
    return found


def _reason(graph: Graph, known_items: str, given_items: str, lists: str | None, popular: PopularLists) -> None:
    """Add reason_code [B, 1]: 0 for the model, else 1 or 2 (empty, no known item) + 2 for each feature before."""
    some = graph.node("Min", [given_items, _int(graph, 1)], "some_given")
    code = graph.node("Add", [some, _int(graph, 1)], "why_popular")
    if lists is not None:
        offset = graph.node("Gather", [graph.constant(2 * popular.feature, np.int64), lists], "kind_of_list")
        code = graph.node("Add", [code, offset], "which_popular")
    by_model = graph.node("Greater", [known_items, _int(graph, 0)], "by_model")
    graph.node("Where", [by_model, _int(graph, 0), code], "reason", REASON_CODE.name)
