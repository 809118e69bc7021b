"""Recorded rows (`DATA/requests/<split>`), item tables and request files, as the commands read them.

A recorded row is a request as a client sent it, one column a feature, and what is known of the moment:
`user`, `time` and `target` (the raw ids of the items bought next). Folders are partitioned by `week=`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.errors import RecordedDataInvalid
from client.signature import Signature

ABOUT_THE_ROW = ("target", "user", "time", "week")


@dataclass(frozen=True)
class RecordedRow:
    """One request with its features by name, whose it was, and what was bought next."""

    features: dict[str, Any]
    user: str | None = None
    target: tuple[str, ...] = ()

    def request(self, signature: Signature, required_only: bool = False) -> dict[str, Any]:
        """The features as the model takes them, with whose they are where it asks and no feature tells.

        `required_only`: without what the model does not read for a user whose embedding it has stored.
        """
        left_out = signature.optional if required_only else ()
        features = {name: value for name, value in self.features.items() if name not in left_out}
        if signature.user_key and self.user is not None:
            features.setdefault(signature.user_key, self.user)
        return features


class RecordedRows:
    """The rows below a folder, in the order of its files; read as Parquet, made Python row by row."""

    def __init__(self, path: Path | str, columns: Sequence[str] | None = None) -> None:
        self._path = path
        self._table = _read_table(Path(path), columns, "give DATA/requests/<split>")
        if not self._table.num_rows:
            raise RecordedDataInvalid(f"{path}: holds no rows: give the requests of a split that has some")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def require(self, *columns: str) -> None:
        """Refuse rows that lack a column, by the name of the first."""
        for column in columns:
            if column not in self._table.column_names:
                raise RecordedDataInvalid(
                    f"{self._path}: has no column {column!r}: give DATA/requests/<split> of the model's own data"
                )

    def batches(self, size: int, limit: int | None = None) -> Iterator[list[RecordedRow]]:
        """The first `limit` rows, `size` at a time."""
        end = len(self) if limit is None else min(limit, len(self))
        for start in range(0, end, size):
            yield self._rows(self._table.slice(start, min(size, end - start)))

    def spread(self, count: int) -> list[RecordedRow]:
        """`count` rows at even distances over the whole, or all where there are fewer."""
        count = min(count, len(self))
        return self._rows(self._table.take([i * len(self) // count for i in range(count)]))

    def newest_of(self, users: Sequence[str]) -> list[RecordedRow]:
        """The last row of each user, in the order asked for."""
        import pyarrow.compute as pc

        self.require("user")
        rows: list[RecordedRow] = []
        for user in users:
            of_user = self._table.filter(pc.equal(self._table["user"].cast("string"), user))
            if not of_user.num_rows:
                some = ", ".join(str(known) for known in pc.unique(self._table["user"].slice(0, 1000))[:5].to_pylist())
                raise RecordedDataInvalid(f"user {user!r} has no recorded row here: there are such as {some}")
            if "time" in of_user.column_names:
                of_user = of_user.take(pc.sort_indices(of_user, sort_keys=[("time", "ascending")]))
            rows += self._rows(of_user.slice(of_user.num_rows - 1))
        return rows

    @staticmethod
    def _rows(table: Any) -> list[RecordedRow]:
        return [
            RecordedRow(
                {name: value for name, value in row.items() if name not in ABOUT_THE_ROW},
                None if row.get("user") is None else str(row["user"]),
                tuple(row.get("target") or ()),
            )
            for row in table.to_pylist()
        ]


def read_titles(path: Path | str) -> dict[str, str]:
    """Raw item id -> title, from an item table with `item_id` and, where the log has names, `title`."""
    table = _read_table(Path(path), None, "give DATA/items.parquet")
    if "item_id" not in table.column_names:
        raise RecordedDataInvalid(f"{path}: has no column 'item_id': give DATA/items.parquet")
    ids = [str(item) for item in table["item_id"].to_pylist()]
    titles = table["title"].to_pylist() if "title" in table.column_names else ids
    return {item: title or item for item, title in zip(ids, titles, strict=True)}


def read_requests(path: Path | str) -> list[RecordedRow]:
    """Requests from a JSON file: one object of feature values, or a list of them."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordedDataInvalid(f"{path}: {error.strerror}: give a JSON file with a request") from None
    except ValueError as error:
        raise RecordedDataInvalid(f"{path}: not JSON ({error}): give one object, or a list of objects") from None
    requests = content if isinstance(content, list) else [content]
    if not requests or not all(isinstance(request, dict) for request in requests):
        raise RecordedDataInvalid(f"{path}: holds no request: give one object of feature values, or a list of them")
    return [RecordedRow(request) for request in requests]


def _read_table(path: Path, columns: Sequence[str] | None, remedy: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise RecordedDataInvalid(f"{path}: no such file or folder: {remedy}") from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, PermissionError):
            raise RecordedDataInvalid(f"{path}: {error.strerror}: {remedy}") from None
        raise RecordedDataInvalid(f"{path}: is no Parquet file: {remedy}") from None
