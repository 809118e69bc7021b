"""Offline embeddings of all users, through the exported graph: what a nightly job would put into a feature store.

One row a user, of the user's latest request in any split: `user`, `embedding` (D floats) and, where the model has
repeat sequences, `repeat_items` and `repeat_logits` without padding. The Parquet metadata hold the digests of the
schema and of the encoder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from export.data_files import REMEDY, read_columns
from export.encoder_digest import ENCODER_DIGEST, encoder_digest
from export.errors import RepositoryError
from export.golden import Arrays
from export.local import LocalRepository
from export.recommend import ENCODER, RECOMMEND
from export.tensors import ENCODED, Tensor, encoded_tensor
from preprocessing.schema import Feature, Pretrained, Sequence, Text, read_fitted, require_same_digest
from stage.output import OutputError

DIGEST = b"schema_digest"


@dataclass(frozen=True)
class Latest:
    """Where the latest rows of some users stand: places in one encoded Parquet file."""

    file: Path
    users: list[str]
    rows: list[int]


def export_embeddings(
    repository: str | Path, data: str | Path, output: str | Path, batch_size: int = 256, overwrite: bool = False
) -> dict[str, Any]:
    """Write the embeddings, whole or not at all; users, seconds of reading, encoding and writing."""
    fitted = read_fitted(repository)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    local = LocalRepository(repository)
    partial = _partial(Path(output), overwrite)
    latest = latest_rows(Path(data))
    users = sum(len(each.users) for each in latest)
    started = time.perf_counter()
    try:
        with _progress(users) as advance, _writer(partial, local, fitted.digest) as writer:
            for names, tensors in encoded_batches(latest, fitted.schema_.stage("offline"), batch_size):
                writer.write_table(_table(names, local.run_step(RECOMMEND, ENCODER, tensors), writer.schema))
                advance(len(names))
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    return {
        "output": str(output),
        "users": users,
        "seconds": round(seconds, 3),
        "per_second": round(users / seconds, 1),
    }


def latest_rows(data: Path) -> list[Latest]:
    """The place of every user's latest request over all splits; users in the order of their first request."""
    newest: dict[str, tuple[Any, Path, int]] = {}
    for split in ("train", "validation", "test"):
        for file in sorted((data / "requests" / split).glob("week=*/*.parquet")):
            table = read_columns(file, ["user", "time"])
            encoded = data / split / file.parent.name / file.name
            moments = zip(table["user"].to_pylist(), table["time"].to_numpy(), strict=True)
            for row, (user, moment) in enumerate(moments):
                if user not in newest or moment >= newest[user][0]:
                    newest[user] = (moment, encoded, row)
    if not newest:
        raise RepositoryError(f"no requests in {data}: give the output folder of `preprocessing fit`")
    by_file: dict[Path, Latest] = {}
    for user, (_, file, row) in newest.items():
        place = by_file.setdefault(file, Latest(file, [], []))
        place.users.append(str(user))
        place.rows.append(row)
    return list(by_file.values())


def encoded_batches(
    latest: list[Latest], features: tuple[Feature, ...], size: int
) -> Iterator[tuple[list[str], Arrays]]:
    """Users and the tensors of `features`, at most `size` rows at a time; a batch may span files."""
    users: list[str] = []
    tables: list[pa.Table] = []
    for each in latest:
        encoded = read_columns(each.file, [feature.name for feature in features])
        if max(each.rows) >= encoded.num_rows:
            raise RepositoryError(f"{each.file}: has {encoded.num_rows} rows, fewer than its requests: {REMEDY}")
        tables.append(encoded.take(each.rows))
        users += each.users
        while len(users) >= size:
            together = pa.concat_tables(tables)
            yield users[:size], encoded_tensors(features, together.slice(0, size))
            users, tables = users[size:], [together.slice(size)]
    if users:
        yield users, encoded_tensors(features, pa.concat_tables(tables))


def encoded_tensors(features: tuple[Feature, ...], table: pa.Table) -> Arrays:
    """Columns of encoded rows as the served tensors."""
    return {feature.name + ENCODED: _tensor(feature, table[feature.name]) for feature in features}


def _tensor(feature: Feature, column: pa.ChunkedArray) -> Any:
    tensor: Tensor = encoded_tensor(feature)
    if isinstance(feature, Pretrained):
        return np.stack(column.to_numpy()).astype(np.float32)
    if isinstance(feature, Sequence | Text):
        lists = column.to_numpy()
        width = tensor.dims[0] if tensor.dims[0] > 0 else max(1, *map(len, lists))
        padded = np.zeros((len(lists), width), dtype=np.int64)
        for row, ids in enumerate(lists):
            padded[row, : len(ids)] = ids
        return padded
    return column.to_numpy().astype(np.dtype(tensor.dtype))[:, None]


def _writer(path: Path, local: LocalRepository, digest: str) -> pq.ParquetWriter:
    embedding, *repeats = local.config(ENCODER).outputs
    fields = [("user", pa.string()), ("embedding", pa.list_(pa.float32(), embedding.dims[0]))]
    if repeats:
        fields += [("repeat_items", pa.list_(pa.int64())), ("repeat_logits", pa.list_(pa.float32()))]
    about = {DIGEST: digest.encode(), ENCODER_DIGEST: encoder_digest(local.folder, ENCODER).encode()}
    try:
        return pq.ParquetWriter(path, pa.schema(fields, metadata=about))
    except OSError as error:
        raise OutputError(
            f"{path.parent}: cannot be written ({error.strerror}), give a folder you may write to"
        ) from None


def _table(users: list[str], answer: Arrays, schema: pa.Schema) -> pa.Table:
    columns = [users, list(answer["user_embedding"])]
    if "repeat_items" in answer:
        visible = answer["repeat_items"] != 0
        columns += [
            [values[seen] for values, seen in zip(answer[name], visible, strict=True)]
            for name in ("repeat_items", "repeat_logits")
        ]
    return pa.table([pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _partial(output: Path, overwrite: bool) -> Path:
    if output.is_dir():
        raise OutputError(f"{output}: is a folder, give a file")
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: is there already, give another file or --overwrite")
    try:
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror}), give a folder you may write to") from None
    return output.absolute().with_name(f".{output.name}.partial-{os.getpid()}")


@contextmanager
def _progress(users: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:,.0f} users/s")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("embeddings", total=users, rate=0.0)

        def advance(count: int) -> None:
            progress.advance(task, count)
            progress.update(task, rate=progress.tasks[task].completed / max(progress.tasks[task].elapsed or 0, 1e-9))

        yield advance
