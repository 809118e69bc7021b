"""The graph `similar_items`: an item's nearest items by the cosine of the trained table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.graphs.workflow.graph import Graph
from export.graphs.workflow.ids import label_encoder
from export.next_item.plan import ITEM, SIMILAR_ITEMS, SIMILAR_REASONS, NextItemPlan, similar_answer
from export.triton.tensors import ITEM_ID, SCORE
from preprocessing.schema import FIRST_KNOWN_ID, UNKNOWN_ID

_NOTHING = float("-inf")


def unit_vectors(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the table [I, D] with rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(table.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float32] = (table / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return unit


def write_similar(item_ids: Sequence[str], table: NDArray[np.float32], plan: NextItemPlan, path: Path) -> None:
    """Write the graph item [B, 1] string -> item_id [B, K], score [B, K], reason [B, 1].

    The score is the cosine of two rows of `table` [I, D]. The item itself is no answer. An unknown or empty id has no
    answers: "" with score -inf. `item_ids[r]` is the raw id of id r.
    """
    graph = Graph()
    graph.column = SIMILAR_ITEMS
    known: dict[Any, int] = {item: place for place, item in enumerate(item_ids) if place >= FIRST_KNOWN_ID}
    row = label_encoder(graph, ITEM.name, known, UNKNOWN_ID, "encode")
    no_special = np.zeros(len(item_ids), dtype=np.float32)
    no_special[:FIRST_KNOWN_ID] = _NOTHING
    unit, bias = graph.constant(unit_vectors(table), np.float32), graph.constant(no_special, np.float32)
    vector = graph.node("GatherND", [unit, row], "vector")
    scores = graph.node("Gemm", [vector, unit, bias], "score_all", transB=1)
    nothing = graph.constant([[_NOTHING]], np.float32)
    shape = graph.node("Shape", [row], "shape_of_item")
    itself = graph.node("Expand", [nothing, shape], "nothing_for_each")
    others = graph.node("ScatterElements", [scores, row, itself], "leave_itself_out", axis=1)
    best, ids = graph.nodes("TopK", [others, graph.constant([plan.top_k], np.int64)], "top_k", ["", ""], axis=1)
    is_known = graph.node("GreaterOrEqual", [row, graph.constant([FIRST_KNOWN_ID], np.int64)], "is_known")
    is_candidate = graph.node("Greater", [best, nothing], "is_candidate")
    is_answer = graph.node("And", [is_candidate, is_known], "is_answer")
    found = graph.node("Where", [is_answer, ids, graph.constant([0], np.int64)], "found")
    graph.node("Where", [is_answer, best, nothing], "score", SCORE)
    graph.node("Gather", [graph.strings(list(item_ids), "vocabulary"), found], "decode", ITEM_ID)
    code = graph.node("Where", [is_known, *(graph.constant([each], np.int64) for each in (0, 1))], "why")
    graph.node("Gather", [graph.strings(SIMILAR_REASONS, "reasons"), code], "reason", similar_answer(plan)[2].name)
    graph.save((ITEM,), similar_answer(plan), path, SIMILAR_ITEMS)
