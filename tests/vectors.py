"""Vectors for a warehouse, and their comparison."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

Vectors = dict[str, np.ndarray]


def made_up(count: int, width: int, seed: int) -> Vectors:
    """`count` ids, "id 0" and on, with a random vector each, [width] float32."""
    matrix = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return {f"id {place}": row for place, row in enumerate(matrix)}


def batches(vectors: Vectors, rows: int = 1000) -> Iterator[pa.RecordBatch]:
    """The vectors as a model's exporter streams them."""
    ids = list(vectors)
    for start in range(0, len(ids), rows):
        part = ids[start : start + rows]
        column = pa.array([vectors[id_] for id_ in part], type=pa.list_(pa.float32()))
        yield pa.record_batch({"id": pa.array(part), "vector": column})


def by_id(read: Iterable[pa.RecordBatch]) -> Vectors:
    """Batches read back as `made_up` makes them."""
    return {
        id_: row
        for batch in read
        for id_, row in zip(batch["id"].to_pylist(), batch["vector"].to_numpy(zero_copy_only=False), strict=True)
    }
