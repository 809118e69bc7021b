"""Exact top-k over all item vectors in an ONNX graph: one matrix product, a mask, one selection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.families.two_tower.plan import CANDIDATES, EXCLUDED, ITEM_INDEX, USER_VECTOR, candidates_tensor
from export.graphs.workflow.graph import Graph
from export.triton.tensors import ITEM_IDS, SCORE, Tensor
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID

_NOTHING = float("-inf")


def write_exact(vectors: NDArray[np.float32], top_k: int, path: Path, retrieved: int = 0) -> None:
    """Write the graph user_vector [B, D], exclude.encoded [B, L] -> item_ids [B, K] int64, score [B, K], best first.

    Special ids and excluded ids are not candidates. Slots that no candidate fills, and scores that are not numbers,
    become id 0 with score -inf. `vectors` [I, D]: row r is the item of id r; K is at most I minus the special ids. If a
    ranker needs C items (`retrieved`), at least K, they are an output too, candidates [B, C]; the only one if K is 0.
    """
    graph = Graph()
    graph.column = ITEM_INDEX
    # Added by the product itself, because a mask over [B, I] would cost a pass over it.
    no_special = np.zeros(len(vectors), dtype=np.float32)
    no_special[:FIRST_KNOWN_ID] = _NOTHING
    table, bias = graph.constant(vectors, np.float32), graph.constant(no_special, np.float32)
    scores = graph.node("Gemm", [USER_VECTOR, table, bias], "score_all", transB=1)
    nothing = graph.constant(_NOTHING, np.float32, [1])
    shape = graph.node("Shape", [EXCLUDED.name], "shape_of_excluded")
    updates = graph.node("Expand", [nothing, shape], "nothing_for_each")
    masked = graph.node("ScatterElements", [scores, EXCLUDED.name, updates], "leave_out", axis=1)
    best, ids = graph.nodes("TopK", [masked, graph.constant([retrieved or top_k], np.int64)], "top_k", ["", ""], axis=1)
    is_candidate = graph.node("Greater", [best, nothing], "is_candidate")
    padding = graph.constant([PADDING_ID], np.int64)
    found = graph.node("Where", [is_candidate, ids, padding], "found", CANDIDATES if retrieved else ITEM_IDS)
    outputs = [candidates_tensor(retrieved)] if retrieved else []
    if top_k:
        outputs = [Tensor(ITEM_IDS, "int64", (top_k,)), Tensor(SCORE, "float32", (top_k,)), *outputs]
        of_found = graph.node("Where", [is_candidate, best, nothing], "of_found", None if retrieved else SCORE)
    if top_k and retrieved:
        first_k = [graph.constant([each], np.int64) for each in (0, top_k, 1)]
        graph.node("Slice", [found, *first_k], "item_ids", ITEM_IDS)
        graph.node("Slice", [of_found, *first_k], "score", SCORE)
    inputs = (Tensor(USER_VECTOR, "float32", (vectors.shape[1],)), EXCLUDED)
    graph.save(inputs, outputs, path, ITEM_INDEX, {EXCLUDED.name: len(vectors)})
