"""The reader of recorded rows (`DATA/requests/<split>`) and item tables.

A recorded row is a request as a client sends it, one column per feature, with three more columns:
`user`, `time` and `target` (the raw ids of the items bought next). Folders are partitioned by `week=`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from client.errors import RecordedDataInvalid
from client.histories import read_histories
from client.signature import HISTORY, Signature

ABOUT_THE_ROW = ("target", "user", "time", "week")
_REMEDY = "give DATA/requests/<split> of the model's own data"


@dataclass(frozen=True)
class RecordedRow:
    """One request: its features by name, its user, and the items bought next."""

    features: dict[str, Any]
    user: str | None = None
    target: tuple[str, ...] = ()

    def request(self, signature: Signature, required_only: bool = False) -> dict[str, Any]:
        """Return the features that the model takes, with the user if the model asks for it and no feature has it.

        `required_only`: leave out the features that the model does not read for a stored user.
        """
        left_out = signature.optional if required_only else ()
        features = {name: value for name, value in self.features.items() if name not in left_out}
        if signature.user_key and self.user is not None:
            features.setdefault(signature.user_key, self.user)
        return features


class RecordedRows:
    """The rows below a folder, in the order of its files, read as Parquet and converted to Python row by row."""

    def __init__(self, path: Path | str, columns: Sequence[str] | None = None) -> None:
        self._path = path
        self._table = _read_table(Path(path), columns, "give DATA/requests/<split>")
        if not self._table.num_rows:
            raise RecordedDataInvalid(f"{path}: has no rows: give the requests of a split with rows")
        if "target" in self._table.column_names and not _is_list_of_strings(self._table["target"].type):
            seen = self._table["target"].type
            raise RecordedDataInvalid(f"{path}: column 'target' is {seen}, not a list of strings: {_REMEDY}")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def serve(self, signature: Signature) -> None:
        """Make the rows requests of a model: refuse rows that lack a column that it takes.

        A next-item model gets the whole history of each row, and no feature but the contexts that it takes.
        """
        if signature.reads_whole_history:
            self.require("target")
            import pyarrow.compute as pc

            targets = pc.fill_null(pc.list_value_length(self._table["target"]), 0).to_numpy().astype(np.int64)
            histories = read_histories(self._path, targets)
            kept = [name for name in self._table.column_names if name in (*ABOUT_THE_ROW, *signature.inputs)]
            table = self._table.select([name for name in kept if name != HISTORY])
            self._table = table.append_column(HISTORY, histories)
        self.require(*signature.recorded)

    def require(self, *columns: str) -> None:
        """Refuse rows that lack a column; the message names the first one."""
        for column in columns:
            if column not in self._table.column_names:
                raise RecordedDataInvalid(f"{self._path}: has no column {column!r}: {_REMEDY}, or another --model")

    def batches(self, size: int, limit: int | None = None) -> Iterator[list[RecordedRow]]:
        """Yield the first `limit` rows, `size` at a time."""
        end = len(self) if limit is None else min(limit, len(self))
        for start in range(0, end, size):
            yield self._rows(self._table.slice(start, min(size, end - start)))

    def spread(self, count: int) -> list[RecordedRow]:
        """Return `count` evenly spaced rows, or all rows if there are fewer."""
        count = min(count, len(self))
        return self._rows(self._table.take([i * len(self) // count for i in range(count)]))

    def users(self, most: int) -> list[str]:
        """Return the first `most` users, in the order of the rows."""
        import pyarrow.compute as pc

        return [str(user) for user in pc.unique(self._users().drop_null()[:10_000])[:most].to_pylist()]

    def newest_of(self, users: Sequence[str]) -> list[RecordedRow]:
        """Return the last row of each user, in the order of `users`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._users()
        rows: list[RecordedRow] = []
        for user in users:
            # Parquet cannot have a user with an id that is not UTF-8.
            known = user.encode(errors="replace").decode()
            of_user = self._table.filter(pc.equal(column, pa.scalar(known, pa.string())))
            if not of_user.num_rows:
                some = ", ".join(self.users(5)) or "none"
                raise RecordedDataInvalid(f"user {user!r} has no recorded row here: give a user such as {some}")
            rows += self._rows(of_user.slice(self._newest(of_user), 1))
        return rows

    def _users(self) -> Any:
        import pyarrow as pa

        self.require("user")
        column = self._table["user"]
        try:
            return column.cast("string")
        except pa.ArrowException:
            raise RecordedDataInvalid(
                f"{self._path}: column 'user' is {column.type}, not strings or ints: {_REMEDY}"
            ) from None

    def _newest(self, table: Any) -> int:
        import pyarrow as pa
        import pyarrow.compute as pc

        if "time" not in table.column_names:
            return int(table.num_rows) - 1
        try:
            by_time = pc.sort_indices(table, sort_keys=[("time", "ascending")], null_placement="at_start")
        except pa.ArrowException:
            seen = table["time"].type
            raise RecordedDataInvalid(f"{self._path}: column 'time' is {seen}, not a time: {_REMEDY}") from None
        return int(by_time[-1].as_py())

    def _rows(self, table: Any) -> list[RecordedRow]:
        read = [name for name in table.column_names if name in ("user", "target") or name not in ABOUT_THE_ROW]
        values = {name: self._values(name, table[name]) for name in read}
        users, targets = values.pop("user", None), values.pop("target", None)
        return [
            RecordedRow(
                {name: column[row] for name, column in values.items()},
                None if users is None or users[row] is None else str(users[row]),
                () if targets is None else tuple(targets[row] or ()),
            )
            for row in range(table.num_rows)
        ]

    def _values(self, name: str, column: Any) -> list[Any]:
        # Times outside of Python's years and strings that are not UTF-8 are valid in Arrow.
        try:
            values: list[Any] = column.to_pylist()
        except (ValueError, ArithmeticError) as error:
            raise RecordedDataInvalid(
                f"{self._path}: column {name!r} ({column.type}) cannot be read ({error}): {_REMEDY}"
            ) from None
        return values


def read_titles(path: Path | str) -> dict[str, str]:
    """Return {raw item id: title} of an item table with `item_id` and, if the log has names, `title`."""
    table = _read_table(Path(path), None, "give DATA/items.parquet")
    if "item_id" not in table.column_names:
        raise RecordedDataInvalid(f"{path}: has no column 'item_id': give DATA/items.parquet")
    ids = [_shown(item) for item in table["item_id"].to_pylist()]
    titles = table["title"].to_pylist() if "title" in table.column_names else ids
    return {item: _shown(title) or item for item, title in zip(ids, titles, strict=True)}


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _is_list_of_strings(kind: Any) -> bool:
    import pyarrow.types as types

    listed = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    value = kind.value_type if listed else kind
    value = value.value_type if types.is_dictionary(value) else value
    text = types.is_string(value) or types.is_large_string(value)
    return bool((listed and (text or types.is_null(value))) or types.is_null(kind))


def _read_table(path: Path, columns: Sequence[str] | None, remedy: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except (FileNotFoundError, UnicodeEncodeError):
        raise RecordedDataInvalid(f"{path}: no such file or folder: {remedy}") from None
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = "is not a Parquet file" if "not a parquet file" in first else f"cannot be read ({first})"
        if isinstance(error, PermissionError):
            reason = str(error.strerror)
        raise RecordedDataInvalid(f"{path}: {reason}: {remedy}") from None
