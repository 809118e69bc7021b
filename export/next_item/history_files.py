"""Files of histories, read as text in chunks. An accepted form has one of these sets of columns:

    history [, exclude] [, user | id] [, contexts]    one history per row: a list in Parquet, ids joined by a separator
                                                      in CSV
    user, item [, time | position] [, contexts]       one item per row, the rows of a user together, oldest first or in
                                                      the order of `time` or `position`

Ids are text, or whole numbers, which are read as their digits. A null item is skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from export.next_item.plan import EXCLUDE, HISTORY
from stage.errors import BadInput
from stage.library_errors import first_line

USER, ID, ITEM_COLUMN, TIME, POSITION, ROW = "user", "id", "item", "time", "position", "row"
FORMS = "columns history [and user or id], or user and item [and time or position]"
_CHUNK = 16_384
csv.field_size_limit(1 << 30)


class HistoriesError(BadInput):
    """A file of histories has none of the accepted forms, or one that can be read in two ways."""


@dataclass
class Histories:
    """Some histories of a file. `ids`: their owners. `rows`: rows of golden form. `read`: rows of the file."""

    ids: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0


class HistoryFile:
    """A Parquet or CSV file of histories.

    Args:
        path: FILE.parquet or FILE.csv.
        contexts: Features with popular lists; a missing column is null.
        separator: What separates the ids of a history in CSV.

    Raises:
        HistoriesError: The file is missing or damaged, or its columns have none of the forms.

    """

    def __init__(self, path: Path, contexts: tuple[str, ...] = (), separator: str = " ") -> None:
        self.path, self._contexts, self._separator = path, contexts, separator
        if path.suffix not in (".parquet", ".csv"):
            raise HistoriesError(f"{path}: is neither .parquet nor .csv: give one of them")
        if not path.is_file():
            raise HistoriesError(f"{path}: no such file: give a file of histories")
        self.columns, self.count = self._described()
        for name in self.columns:
            if self.columns.count(name) > 1:
                raise HistoriesError(f"{path}: has two columns {name}: leave one")
        is_list = self._one_of(HISTORY.name, ITEM_COLUMN)
        if is_list is None:
            raise HistoriesError(f"{path}: has the columns {', '.join(self.columns)}, expected {FORMS}")
        self._long = is_list == ITEM_COLUMN
        owner = self._one_of(USER, ID)
        if self._long and owner is None:
            raise HistoriesError(f"{path}: has items without {USER}: add the owner of each item")
        self._owner, self._order = owner, self._one_of(TIME, POSITION) if self._long else None
        self.key = owner or ROW
        """The name of the owners: the file's own column, or the number of the row."""

    def chunks(self) -> Iterator[Histories]:
        """Yield the histories of the file, some at a time, in its order."""
        yield from self._grouped() if self._long else self._listed()

    def _one_of(self, *names: str) -> str | None:
        found = [name for name in names if name in self.columns]
        if len(found) > 1:
            raise HistoriesError(f"{self.path}: has the columns {' and '.join(found)}: leave one")
        return found[0] if found else None

    def _described(self) -> tuple[list[str], int]:
        """Return the names of the columns and the number of rows."""
        if self.path.suffix == ".parquet":
            try:
                described = pq.ParquetFile(self.path)
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(error) from None
            with described:
                return described.schema_arrow.names, int(described.metadata.num_rows)
        try:
            with self.path.open(newline="", encoding="utf-8") as text:
                rows = csv.reader(text, strict=True)
                names = next(rows, [])
                return names, sum(1 for row in rows if row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._unreadable(error) from None

    def _tables(self) -> Iterator[dict[str, list[Any]]]:
        """Yield the needed columns, some rows at a time; ids as text."""
        wanted = (HISTORY.name, EXCLUDE.name, ITEM_COLUMN, self._owner, self._order, *self._contexts)
        names = [name for name in self.columns if name in wanted]
        if self.path.suffix == ".csv":
            yield from self._csv_tables(names)
            return
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(_CHUNK, columns=names):
                    yield {name: self._column(name, batch.column(name)) for name in names}
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _csv_tables(self, names: list[str]) -> Iterator[dict[str, list[Any]]]:
        places = {name: self.columns.index(name) for name in names}
        kept: list[list[str]] = []
        with self.path.open(newline="", encoding="utf-8") as text:
            rows = csv.reader(text, strict=True)
            next(rows)
            for row in rows:
                if row and len(row) != len(self.columns):
                    raise HistoriesError(
                        f"{self.path}: line {rows.line_num} has {len(row)} fields, its header {len(self.columns)}: "
                        "quote a field that contains a comma"
                    )
                if row:
                    kept.append(row)
                if len(kept) == _CHUNK:
                    yield self._csv_columns(places, kept)
                    kept = []
        if kept:
            yield self._csv_columns(places, kept)

    def _csv_columns(self, places: dict[str, int], rows: list[list[str]]) -> dict[str, list[Any]]:
        table: dict[str, list[Any]] = {name: [row[place] for row in rows] for name, place in places.items()}
        for name in (HISTORY.name, EXCLUDE.name):
            if name in table and not self._long:
                table[name] = [each.split(self._separator) if each else [] for each in table[name]]
        if self._order is not None:
            table[self._order] = self._ordered(pa.array(table[self._order]))
        return table

    def _column(self, name: str, column: pa.Array) -> list[Any]:
        if name == self._order:
            return self._ordered(column)
        kind = column.type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        wants_list = not self._long and name in (HISTORY.name, EXCLUDE.name)
        if is_list != wants_list:
            expected = "a list of ids" if wants_list else "one id per row"
            raise HistoriesError(f"{self.path}: {name} is {kind}, expected {expected}: convert it")
        values = kind.value_type if is_list else kind
        if pa.types.is_dictionary(values):
            values = values.value_type
        text = pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_null(values)
        if not (text or pa.types.is_integer(values)):
            raise HistoriesError(
                f"{self.path}: {name} has ids of type {values}, which can be written as text in several ways: "
                "convert it to text or whole numbers"
            )
        found: list[Any] = column.to_pylist()
        if text:
            return [each or [] for each in found] if is_list else found
        return [_digits(each or []) for each in found] if is_list else _digits(found)

    def _ordered(self, column: pa.Array) -> list[Any]:
        """Return numbers or instants by which rows are sorted."""
        kind = column.type
        if column.null_count:
            raise HistoriesError(f"{self.path}: {self._order} is null in some rows: fill it, or remove the column")
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind):
            found: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(kind) else column).to_pylist()
            return found
        try:
            found = pc.cast(column, pa.int64()).to_pylist()
        except pa.ArrowException:
            raise HistoriesError(
                f"{self.path}: {self._order} is text that is not a whole number: write seconds since 1970 or a position"
            ) from None
        return found

    def _owners(self, table: dict[str, list[Any]], count: int, first: int) -> list[str]:
        if self._owner is None:
            return [str(first + place) for place in range(count)]
        owners = table[self._owner]
        if any(each is None or each == "" for each in owners):
            raise HistoriesError(f"{self.path}: {self._owner} is null in some rows: give every history an owner")
        return owners

    def _listed(self) -> Iterator[Histories]:
        first = 0
        for table in self._tables():
            histories = table[HISTORY.name]
            count = len(histories)
            excluded = table.get(EXCLUDE.name) or [[]] * count
            contexts = {name: table.get(name) or [None] * count for name in self._contexts}
            rows = [
                {HISTORY.name: history, EXCLUDE.name: exclude, **{name: of[row] for name, of in contexts.items()}}
                for row, (history, exclude) in enumerate(zip(histories, excluded, strict=True))
            ]
            yield Histories(self._owners(table, count, first), rows, count)
            first += count

    def _grouped(self) -> Iterator[Histories]:
        """Yield histories of rows of items; the last user of a chunk may go on in the next one."""
        done: set[str] = set()
        owner: str | None = None
        items: list[tuple[Any, str | None]] = []
        context: dict[str, Any] = {}
        for table in self._tables():
            found = Histories(read=len(table[ITEM_COLUMN]))
            order = table[self._order] if self._order else [0] * found.read
            owners = self._owners(table, found.read, 0)
            for row, (user, item, place) in enumerate(zip(owners, table[ITEM_COLUMN], order, strict=True)):
                if user != owner:
                    if user in done:
                        raise HistoriesError(f"{self.path}: the rows of {self._owner} {user} are apart: sort the file")
                    _close(found, owner, items, context)
                    done.add(user)
                    owner, items = user, []
                items.append((place, item))
                context = {name: table[name][row] if name in table else None for name in self._contexts}
            yield found
        last = Histories()
        _close(last, owner, items, context)
        if last.ids:
            yield last

    def _unreadable(self, error: Exception) -> HistoriesError:
        return HistoriesError(f"{self.path}: cannot be read ({first_line(error)}): give a complete file in UTF-8")


def _close(found: Histories, owner: str | None, items: list[tuple[Any, str | None]], context: dict[str, Any]) -> None:
    if owner is None:
        return
    # Sorting is stable: without an order, and for equal times, the order of rows is kept.
    ordered = [item for _, item in sorted(items, key=lambda each: each[0])]
    found.ids.append(owner)
    found.rows.append({HISTORY.name: ordered, EXCLUDE.name: [], **context})


def _digits(values: list[Any]) -> list[str | None]:
    return [None if each is None else str(each) for each in values]
