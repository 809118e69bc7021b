"""A raw table of a log: the wanted columns, each in its own Arrow type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preprocessing.features import is_column
from preprocessing.log.errors import LogError
from preprocessing.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RawTable:
    """`name` is the table's name in messages, such as "the log"; `columns` are all columns of the source."""

    name: str
    table: pa.Table
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column; refuse a name that the source does not have."""
        require_columns(self.columns, self.name, [name])
        column = self.table[name]
        return _as_floats(column) if _is_half(column) else column

    def take(self, rows: object, columns: Sequence[str] | None = None) -> RawTable:
        """Return the table of the given rows, only with `columns` if these are given."""
        chosen = self.table if columns is None else self.table.select([c for c in columns if c in self.columns])
        return RawTable(self.name, chosen.take(rows), self.columns)


def _is_half(column: pa.ChunkedArray) -> bool:
    return str(column.type) == "halffloat"


def _as_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert half floats to floats, because Arrow supports few operations on half floats."""
    import pyarrow as pa

    chunks = [chunk.to_numpy(zero_copy_only=False).astype("float64") for chunk in column.chunks]
    return pa.chunked_array([pa.array(chunk, from_pandas=True) for chunk in chunks], pa.float64())


def require_columns(there: Sequence[str], what: str, wanted: Sequence[str]) -> None:
    """Refuse a table (named `what`) that lacks one of the `wanted` columns, or has it twice."""
    for column in wanted:
        if there.count(column) > 1:
            raise LogError(f"{what} has {there.count(column)} columns named {column!r}: rename all but one")
        if column in there:
            continue
        shown = ", ".join(
            name if name.isprintable() and name.strip() == name and name else repr(name) for name in there
        )
        hint = ""
        if len(there) == 1 and (other := next((mark for mark in ";\t|," if mark in there[0]), None)):
            separator = "tab" if other == "\t" else other
            hint = f"; it reads as one column: say --separator {separator!r} (log.separator)"
        side = next((side for side in ("user", "item") if what == f"the {side} table"), None)
        flag = f"--{side}s-key (its id) or in the schema" if side else "in the schema or with --columns"
        raise LogError(f"no column {column!r} in {what}: the columns are {shown}{hint}; name the right one {flag}")


@dataclass(frozen=True)
class Wanted:
    """The columns to read from one table, each once; `plain`: those whose values are mostly different."""

    columns: tuple[str, ...]
    plain: frozenset[str]


def wanted_of_log(schema: Schema) -> Wanted:
    """Return the columns of the log itself, including those of users and items without a table of their own."""
    columns = schema.log.columns
    names = [columns.user, columns.item, columns.time, columns.session, columns.value, *_features(schema, "context")]
    if not schema.log.users:
        names += _features(schema, "user")
    if not schema.log.items:
        names += [columns.title, *_features(schema, "item")]
    return Wanted(_each_once(names), _plain(schema) | {columns.time})


def wanted_of_side(schema: Schema, side: str) -> Wanted:
    """Return the columns of the user or item table."""
    log = schema.log
    key, names = (log.user_table_key, []) if side == "user" else (log.item_table_key, [log.columns.title])
    names += _features(schema, side)
    return Wanted(_each_once([key, *names]), _plain(schema))


def _features(schema: Schema, side: str) -> list[str | None]:
    return [feature.raw_column for feature in schema.features if feature.side == side and is_column(feature)]


def _plain(schema: Schema) -> frozenset[str]:
    """Return the columns of numbers, texts and vectors; ids and categories repeat and are read as codes."""
    coded = {f.raw_column for f in schema.features if f.ids == "vocabulary" and is_column(f)}
    plain = {f.raw_column for f in schema.features if is_column(f)} | {schema.log.columns.value or ""}
    return frozenset(plain - coded)


def _each_once(names: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))
