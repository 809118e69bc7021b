"""The contents of a column, as far as the inspected rows show them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from preprocessing.log.errors import LogError
from preprocessing.log.numbers import NUMBER, WHOLE_NUMBER, is_numeric
from preprocessing.log.tables import RawTable
from preprocessing.log.texts import is_textual, texts
from preprocessing.log_layout import Log

Column = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["numbers", "whole numbers", "texts", "times", "vectors", "other"]

NULL_LIKE = ("NA", "N/A", "n/a", "NULL", "Null", "null", "None", "none", "NaN", "nan", "NAN", "-", "--", "?", "\\N")
ISO_DATE = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]([T ].*)?$")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+$")
LEADING_ZERO = re.compile(r"0[0-9]")
SHOWN = 30


@dataclass(frozen=True)
class Seen:
    """A column of N rows.

    Attributes:
        codes: [N] positions in `values`, -1 is null.
        values: [U] the different values as text.
        null_like: Text that may mean null -> its rows.
        dim: Length of its vectors, 0 if it has none.

    """

    name: str
    kind: Kind
    codes: Column
    values: list[str]
    null_like: dict[str, int]
    dim: int = 0

    @property
    def distinct(self) -> int:
        return len(self.values)

    @property
    def nulls(self) -> float:
        return float((self.codes < 0).mean())

    def words(self) -> str:
        """Return the contents in words: the values, the share of nulls, the most frequent values."""
        if self.kind in ("vectors", "other"):
            return f"vectors of {self.dim} numbers" if self.dim else "of a type that is not text, number or time"
        counts = np.bincount(self.codes[self.codes >= 0], minlength=self.distinct)
        often = [shown(self.values[place]) for place in np.argsort(-counts, kind="stable")[:3]]
        empty = f", {self.nulls:.1%} null" if self.nulls else ""
        such = f", such as {', '.join(often)}" if often else ""
        return f"{self.distinct:,} values{empty}{such}"

    def numbers(self, decimal: str) -> Column:
        """Return its different values as numbers."""
        return np.array([float(value.strip().replace(decimal, ".")) for value in self.values])


def shown(value: str) -> str:
    """Return a value for a comment: quoted, short, on one line."""
    return json.dumps(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…", ensure_ascii=False)


def look(table: RawTable, log: Log) -> dict[str, Seen]:
    """Inspect every column of a table."""
    return {name: _look(table.table[name], name, log) for name in dict.fromkeys(table.columns)}


def _look(column: pa.ChunkedArray, name: str, log: Log) -> Seen:
    kind = column.type
    if not name:  # such as an index that pandas wrote: a schema cannot name it
        return Seen(name, "other", np.full(len(column), -1), [], {})
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _vectors(column, name)
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64())
        fraction = _codes(column.to_pandas(), name)
        if fraction is not None:
            return fraction
    try:
        coded = texts(column, name, log)
    except LogError:
        return Seen(name, "other", np.full(len(column), -1), [], {})
    values = [str(value) for value in coded.values]
    counts = np.bincount(coded.codes[coded.codes >= 0], minlength=len(values))
    textual = is_textual(kind)
    null_like = {v: int(counts[p]) for p, v in enumerate(values) if textual and v.strip() in NULL_LIKE}
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Seen(name, "times", coded.codes, values, {})
    what: Kind = _kind_of_texts(values, log.decimal) if textual else "whole numbers" if is_numeric(kind) else "texts"
    if pa.types.is_decimal(kind) and kind.scale > 0:
        what = "numbers"
    return Seen(name, what, coded.codes, values, null_like)


def _codes(series: Any, name: str) -> Seen | None:
    """Return a column of floats, None if they are whole numbers."""
    import pandas as pd

    if (series.dropna() % 1 == 0).all():
        return None
    codes, values = pd.factorize(series)
    return Seen(name, "numbers", codes, [f"{value:.7g}" for value in values], {})


def _vectors(column: pa.ChunkedArray, name: str) -> Seen:
    lengths = {len(value) for value in column.to_pylist() if value is not None}
    numbers = is_numeric(column.type.value_type)
    codes = np.where(np.asarray(column.is_valid()), 0, -1)
    if numbers and len(lengths) == 1:
        return Seen(name, "vectors", codes, [], {}, dim=lengths.pop())
    return Seen(name, "other", codes, [], {})


def _kind_of_texts(values: list[str], decimal: str) -> Kind:
    if not values:
        return "texts"
    if all(ISO_DATE.match(value.strip()) for value in values):
        return "times"
    numbers = [value.strip().replace(decimal, ".") for value in values]
    if any(LEADING_ZERO.match(number) for number in numbers):  # a code, which would lose its leading zeros
        return "texts"
    if all(re.match(WHOLE_NUMBER, number) for number in numbers):
        return "whole numbers"
    return "numbers" if all(re.match(NUMBER, number) for number in numbers) else "texts"


def decimal_comma_seen(table: RawTable, log: Log) -> str | None:
    """Return the name of a column of numbers such as 1,50; None if there is none, or also one such as 1.50."""
    if log.decimal == ",":
        return None
    columns = look(table, log).values()
    if any(seen.kind == "numbers" for seen in columns):
        return None
    with_comma = (s.name for s in columns if s.kind == "texts" and s.values and _all_with_comma(s.values))
    return next(with_comma, None)


def _all_with_comma(values: list[str]) -> bool:
    numbers = [value.strip() for value in values]
    some = any(DECIMAL_COMMA.match(number) for number in numbers)
    return some and all(DECIMAL_COMMA.match(number) or re.match(WHOLE_NUMBER, number) for number in numbers)
