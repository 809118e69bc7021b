"""Embeddings as one Parquet file, written completely or not at all.

Columns are `user` (or `item`), `embedding` (D floats) and, for users of a model with repeat sequences, `repeat_items`
and `repeat_logits` without padding. The metadata contain the digests of the schema and the encoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from export.embeddings.batches import Batch, Embeddings
from export.repository.encoder_digest import ENCODER_DIGEST
from stage.inputs import require_apart
from stage.output import OutputError, make_folder_of
from stage.progress import counting
from stage.write_errors import writing

SCHEMA_DIGEST = b"schema_digest"
"""The key of the schema digest in the metadata."""


@contextmanager
def partial_file(output: Path, overwrite: bool, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield a path next to `output`, which replaces it when the block ends without an error.

    Raises `OutputError` if `output` is one of the command's `inputs` or lies in one.
    """
    require_apart(output, inputs, "give another file")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder, give a file")
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists already, give another file or --overwrite")
    make_folder_of(output)
    partial = output.absolute().with_name(f".{output.name}.partial-{os.getpid()}")
    try:
        with writing(output, partial):
            yield partial
            partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def write_file(embeddings: Embeddings, path: Path, schema_digest: str) -> None:
    """Write all batches to `path`."""
    digests = {SCHEMA_DIGEST: schema_digest.encode(), ENCODER_DIGEST: embeddings.digest.encode()}
    name = f"{embeddings.kind}s"
    with pq.ParquetWriter(path, _schema(embeddings, digests)) as writer, counting({name: embeddings.count}) as advance:
        for batch in embeddings.batches:
            writer.write_table(_table(batch, writer.schema))
            advance(name, len(batch.ids))


def _schema(embeddings: Embeddings, metadata: dict[bytes, bytes]) -> pa.Schema:
    fields = [(embeddings.kind, pa.string()), ("embedding", pa.list_(pa.float32(), embeddings.width))]
    if embeddings.repeats:
        fields += [("repeat_items", pa.list_(pa.int64())), ("repeat_logits", pa.list_(pa.float32()))]
    return pa.schema(fields, metadata=metadata)


def _table(batch: Batch, schema: pa.Schema) -> pa.Table:
    columns = [batch.ids, list(batch.vectors)]
    if batch.repeats:
        visible = batch.repeats["repeat_items"] != 0
        columns += [
            [values[seen] for values, seen in zip(batch.repeats[name], visible, strict=True)]
            for name in ("repeat_items", "repeat_logits")
        ]
    return pa.table([pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
