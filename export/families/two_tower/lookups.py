"""ONNX graphs that look up ids: of excluded items, and of the vectors of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import GraphError
from export.families.two_tower.plan import EXCLUDE, EXCLUDE_ITEMS, EXCLUDED, MATCH, PAIR
from export.graphs.workflow.graph import Graph
from export.graphs.workflow.ids import label_encoder
from export.triton.tensors import SCORE, Tensor
from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID


def write_exclude_items(item_ids: Sequence[str], sequences: Sequence[Tensor], path: Path) -> None:
    """Write the graph raw ids `exclude` [B, L], encoded sequences [B, *] -> their encoded ids, concatenated [B, *].

    Unknown ids and "" become padding, which is never a candidate. `item_ids[r]` is the raw id of id r.
    """
    graph = Graph()
    graph.column = EXCLUDE_ITEMS
    known: dict[Any, int] = {item: place for place, item in enumerate(item_ids) if place >= FIRST_KNOWN_ID}
    found = label_encoder(graph, EXCLUDE.name, known, PADDING_ID, "encode")
    graph.node("Concat", [*(each.name for each in sequences), found], "all", EXCLUDED.name, axis=1)
    graph.save((*sequences, EXCLUDE), (EXCLUDED,), path, EXCLUDE_ITEMS)


def write_match(
    users: Sequence[str], user_vectors: NDArray[np.float32], item_ids: Sequence[str], item_vectors: Any, path: Path
) -> None:
    """Write the graph (user_id [B, 1], item_id [B, 1]) strings -> score [B, 1], the dot product of their vectors.

    A pair with an unknown or empty id scores 0, the cosine of unrelated vectors.

    Args:
        users: Raw user ids.
        user_vectors: [U, D].
        item_ids: The raw id of every encoded id, "" for special ids.
        item_vectors: [I, D].
        path: The file to write.

    Raises:
        GraphError: The number or the width of the vectors does not match.

    """
    items = np.asarray(item_vectors, dtype=np.float32)[FIRST_KNOWN_ID:]
    sides = ((PAIR[0].name, users, user_vectors), (PAIR[1].name, item_ids[FIRST_KNOWN_ID:], items))
    graph = Graph()
    graph.column = MATCH
    found = []
    for name, ids, vectors in sides:
        if vectors.shape != (len(ids), items.shape[1]):
            raise GraphError(
                f"{MATCH}: {len(ids)} ids of {name} have vectors {list(vectors.shape)}, expected "
                f"{[len(ids), items.shape[1]]}: compute them with the towers of this repository"
            )
        table = np.concatenate([np.zeros_like(items[:1]), vectors])
        known: dict[Any, int] = {each: 1 + place for place, each in enumerate(ids) if each}
        row = label_encoder(graph, name, known, 0, f"find_{name}")
        found.append(graph.node("Gather", [graph.constant(table, np.float32), row], f"vector_of_{name}"))
    product = graph.node("Mul", found, "multiply")
    graph.node("ReduceSum", [product, graph.constant([2], np.int64)], "sum", SCORE, keepdims=0)
    graph.save(PAIR, (Tensor(SCORE, "float32", (1,)),), path, MATCH)
