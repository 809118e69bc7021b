"""Embeddings as a run in a warehouse: one partition per kind, published together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from export.embeddings.batches import Embeddings
from stage.output import make_folder_of
from stage.progress import counting
from warehouse.address import Address
from warehouse.history import open_warehouse
from warehouse.partition import BATCH_ROWS, Run

_DIGITS = 16


def release_of(embeddings: Sequence[Embeddings]) -> str:
    """Return the release of a run: the first 16 hex digits of each encoder's digest, the users' first, joined by "-".

    `encoder_digest(repository, model)` of the repository that made the run begins with these digits.
    """
    return "-".join(each.digest[:_DIGITS] for each in embeddings)


def new_run(registered: Mapping[str, Any] | None) -> str:
    """Return the MLflow run in verify.json if the model came from the registry, else the time, UTC."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return (registered or {}).get("run") or now.replace("+00:00", "Z")


def write_history(embeddings: Sequence[Embeddings], address: Address, run: Run, overwrite: bool) -> None:
    """Stream the vectors of a run to its partitions. Raises as `Warehouse.write_run`, with nothing written."""
    if address.kind == "duckdb":
        make_folder_of(Path(address.path))
    totals = {f"{each.kind}s": each.count for each in embeddings}
    with open_warehouse(address.url) as warehouse, counting(totals) as advance:
        warehouse.write_run(run, {each.kind: _record_batches(each, advance) for each in embeddings}, overwrite)


def _record_batches(embeddings: Embeddings, advance: Callable[[str, int], None]) -> Iterator[pa.RecordBatch]:
    """Yield batches of the warehouse's size, because each is one statement or job there."""
    ids: list[str] = []
    parts = []
    for batch in embeddings.batches:
        ids += batch.ids
        parts.append(batch.vectors)
        advance(f"{embeddings.kind}s", len(batch.ids))
        if len(ids) >= BATCH_ROWS:
            yield _record_batch(ids, parts)
            ids, parts = [], []
    if ids:
        yield _record_batch(ids, parts)


def _record_batch(ids: list[str], parts: list[Any]) -> pa.RecordBatch:
    matrix = np.concatenate(parts)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    return pa.record_batch({"id": pa.array(ids), "vector": vectors})
