"""The latest encoded request of every user, from which the users' vectors are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from export.data.golden import Arrays
from export.errors import RepositoryError
from export.triton.tensors import ENCODED
from preprocessing.ragged import pad_lists
from preprocessing.schema import Feature
from stage.parquet import FIT_AGAIN, read_columns


@dataclass(frozen=True)
class Latest:
    """The positions of the latest rows of some users in one encoded Parquet file."""

    file: Path
    users: list[str]
    rows: list[int]


def latest_rows(data: Path) -> list[Latest]:
    """Return the position of every user's latest request over all splits; users in the order of first requests."""
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
    """Yield users and the tensors of `features`, at most `size` rows at a time; a batch may span files."""
    users: list[str] = []
    tables: list[pa.Table] = []
    for each in latest:
        encoded = read_columns(each.file, [feature.name for feature in features])
        if max(each.rows) >= encoded.num_rows:
            raise RepositoryError(f"{each.file}: has {encoded.num_rows} rows, fewer than its requests: {FIT_AGAIN}")
        tables.append(encoded.take(each.rows))
        users += each.users
        while len(users) >= size:
            together = pa.concat_tables(tables)
            yield users[:size], encoded_tensors(features, together.slice(0, size))
            users, tables = users[size:], [together.slice(size)]
    if users:
        yield users, encoded_tensors(features, pa.concat_tables(tables))


def encoded_tensors(features: tuple[Feature, ...], table: pa.Table) -> Arrays:
    """Return columns of encoded rows as the served tensors."""
    return {feature.name + ENCODED: _tensor(feature, table[feature.name]) for feature in features}


def _tensor(feature: Feature, column: pa.ChunkedArray) -> Any:
    layout, values = feature.encoded, column.to_numpy()
    match layout.form:
        case "scalar":
            return values.astype(layout.dtype)[:, None]
        case "list":
            return pad_lists(values, layout.dims[0])
        case "vector":
            return np.stack(values).astype(np.float32)
