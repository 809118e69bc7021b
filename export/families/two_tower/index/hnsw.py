"""Approximate top-k with FAISS: an HNSW graph over the item vectors (Malkov and Yashunin 2018)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import GraphError
from preprocessing.schema import FIRST_KNOWN_ID
from stage.library_errors import first_line

NEIGHBOURS, EF_CONSTRUCTION = 24, 100
RECALL = 0.99
FILE = "vectors.faiss"
_AT_A_TIME = 10_000

Vectors = NDArray[np.float32]


def load_faiss() -> Any:
    """Return the module. Raises `GraphError` if it is not installed."""
    # Its waiting threads spin: on a busy machine a build of seconds would take minutes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import faiss
    except ImportError:
        raise GraphError("--index hnsw needs faiss-cpu: install naiad[retrieval], or --index exact") from None
    return faiss


def build_hnsw(vectors: Vectors, advance: Callable[[int], None] = lambda _: None) -> Any:
    """Return an index over `vectors` [N, D] by dot product; `advance` is called with the number of added vectors."""
    faiss = load_faiss()
    index = faiss.IndexHNSWFlat(vectors.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    for start in range(0, len(vectors), _AT_A_TIME):
        part = vectors[start : start + _AT_A_TIME]
        index.add(part)
        advance(len(part))
    return index


def item_rows(vectors: Vectors) -> Vectors:
    """Return the rows of items [I - 3, D] among those of all ids [I, D], because the index has no special ids."""
    return np.ascontiguousarray(vectors[FIRST_KNOWN_ID:], dtype=np.float32)


def exact_places(vectors: Vectors, queries: Vectors, top_k: int) -> NDArray[np.int64]:
    """Return positions of the best rows of `vectors` by dot product, best first, [Q, K]."""
    places = []
    for start in range(0, len(queries), 64):
        scores = queries[start : start + 64] @ vectors.T
        best = np.argpartition(scores, -top_k, axis=1)[:, -top_k:]
        order = np.take_along_axis(scores, best, axis=1).argsort(axis=1)[:, ::-1]
        places.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(places).astype(np.int64)


def recall(expected: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Return the share of expected positions [Q, K] that were found, in any order."""
    hits = sum(len(np.intersect1d(row, other)) for row, other in zip(expected, found, strict=True))
    return hits / expected.size


def tune_ef_search(index: Any, expected: NDArray[np.int64], queries: Vectors, top_k: int) -> tuple[int, float]:
    """Return the least `efSearch` of K, 1.5 K, 2 K … with recall@K of `RECALL` on the queries, and that recall."""
    faiss = load_faiss()
    ef_search = top_k
    while True:
        _, found = index.search(queries, top_k, params=faiss.SearchParametersHNSW(efSearch=ef_search))
        reached = recall(expected, found)
        if reached >= RECALL or ef_search >= index.ntotal:
            return ef_search, reached
        ef_search = min(ef_search + max(top_k // 2, ef_search // 2, 1), index.ntotal)


def write_hnsw(index: Any, path: Path) -> None:
    """Write an index. Raises `OSError` if the disk refuses it."""
    try:
        load_faiss().write_index(index, str(path))
    except RuntimeError as error:
        raise OSError(errno.EIO, first_line(error)) from None
