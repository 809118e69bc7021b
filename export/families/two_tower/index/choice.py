"""The choice of an index: exact top-k in a graph for small catalogues, else HNSW if it is measured to be faster."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import GraphError
from export.families.two_tower.index.exact import write_exact
from export.families.two_tower.index.hnsw import (
    RECALL,
    Vectors,
    build_hnsw,
    exact_places,
    item_rows,
    load_faiss,
    recall,
    tune_ef_search,
)
from export.families.two_tower.plan import EXCLUDED, USER_VECTOR, RetrievalPlan
from stage.progress import Report

FEW_ITEMS = 20_000
"""Up to this number of items the exact graph answers a row within a millisecond on one core; HNSW is not tried."""
TIMES_FASTER = 2.0
"""The least speed-up for which an approximate index is chosen."""
_QUERIES, _TIMED = 256, 32


def choose_index(
    plan: RetrievalPlan, items: Vectors, users: Vectors, report: Report
) -> tuple[RetrievalPlan, Any, dict[str, Any]]:
    """Return the plan with its index, the FAISS index if that is HNSW, and the measurements for verify.json.

    Args:
        plan: The plan of the export, with the requested index.
        items: Vectors of all ids, [I, D].
        users: Vectors for the measurement, [U, D].
        report: Called with the name of each step.

    """
    count, wanted = len(item_rows(items)), plan.index
    if wanted == "exact" or (wanted == "auto" and (count <= FEW_ITEMS or not _has_faiss())):
        return replace(plan, index="exact"), None, {"kind": "exact", "items": count}
    queries = users[np.linspace(0, len(users) - 1, min(_QUERIES, len(users))).astype(int)]
    report("try the index")
    rows = item_rows(items)
    index = build_hnsw(rows)
    expected = exact_places(rows, queries, plan.searched)
    ef_search, reached = tune_ef_search(index, expected, queries, plan.searched)
    exact_ms, hnsw_ms = _exact_ms(items, queries, plan.searched), _hnsw_ms(index, queries, plan.searched, ef_search)
    measured = {
        "items": count,
        "exact_ms": round(exact_ms, 3),
        "hnsw_ms": round(hnsw_ms, 3),
        "recall": round(reached, 4),
        "ef_search": ef_search,
    }
    if wanted == "hnsw" or (reached >= RECALL and exact_ms >= TIMES_FASTER * hnsw_ms):
        return replace(plan, index="hnsw", ef_search=ef_search), index, {"kind": "hnsw", **measured}
    return replace(plan, index="exact"), None, {"kind": "exact", **measured}


def rebuild_index(plan: RetrievalPlan, items: Vectors, users: Vectors) -> tuple[Any, dict[str, Any]]:
    """Return the FAISS index of new vectors for an existing plan, and its recall; None for an exact index."""
    rows = item_rows(items)
    if plan.index == "exact":
        return None, {"kind": "exact", "items": len(rows)}
    queries = users[:: max(len(users) // _QUERIES, 1)][:_QUERIES]
    index = build_hnsw(rows)
    params = load_faiss().SearchParametersHNSW(efSearch=plan.ef_search)
    _, found = index.search(queries, plan.searched, params=params)
    reached = recall(exact_places(rows, queries, plan.searched), found)
    return index, {
        "kind": "hnsw",
        "items": len(rows),
        "recall": round(reached, 4),
        "ef_search": plan.ef_search,
    }


def _has_faiss() -> bool:
    try:
        load_faiss()
    except GraphError:
        return False
    return True


def _exact_ms(items: Vectors, queries: Vectors, top_k: int) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_exact(items, top_k, path)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    nothing = np.zeros((1, 1), dtype=np.int64)
    return _median_ms(queries, lambda row: session.run(None, {USER_VECTOR: row, EXCLUDED.name: nothing}))


def _hnsw_ms(index: Any, queries: Vectors, top_k: int, ef_search: int) -> float:
    params = load_faiss().SearchParametersHNSW(efSearch=ef_search)
    return _median_ms(queries, lambda row: index.search(row, top_k, params=params))


def _median_ms(queries: Vectors, call: Callable[[Vectors], Any]) -> float:
    """Return the time of calls with one row each, like those of an idle server."""
    times = []
    for place in range(min(_TIMED, len(queries))):
        started = time.perf_counter()
        call(queries[place : place + 1])
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1000
