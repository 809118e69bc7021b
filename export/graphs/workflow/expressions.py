"""Expressions of a workflow's columns as frozen values: one expression tree per output column.

Equal subtrees are equal values, so a graph computes each of them once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from export.graphs.workflow.request import RequestColumn
from export.graphs.workflow.vocabulary import Vocabulary

Number = int | float | np.integer[Any] | np.floating[Any]


@dataclass(frozen=True)
class Raw:
    """A column of the request."""

    column: RequestColumn


@dataclass(frozen=True)
class Filled:
    """Nulls replaced by `value`."""

    of: Expression
    value: Number | str


@dataclass(frozen=True)
class WasNull:
    """Whether the value is null: FillMissing's indicator column."""

    of: Expression


@dataclass(frozen=True)
class Clipped:
    of: Expression
    low: Number | None
    high: Number | None


@dataclass(frozen=True)
class Logarithm:
    """log(1 + x) in float32."""

    of: Expression


@dataclass(frozen=True)
class Scaled:
    """(x - `shift`) / `scale`, then of type `dtype`; a `scale` of None does not divide."""

    of: Expression
    shift: Number
    scale: Number | None
    dtype: str


@dataclass(frozen=True)
class Halved:
    """x / 2x, the result of NormalizeMinMax if all values of the fit were equal; then of type `dtype`."""

    of: Expression
    dtype: str


@dataclass(frozen=True)
class Bucketed:
    """The number of boundaries that are not above the value; all of them for NaN."""

    of: Expression
    boundaries: tuple[Number, ...]


@dataclass(frozen=True)
class Sliced:
    """Each row's [start:stop]; rows shorter than `pad_to` are padded with `pad_value`."""

    of: Expression
    start: int
    stop: int
    pad_to: int | None = None
    pad_value: Any = None


@dataclass(frozen=True)
class Encoded:
    """Ids of values, or of each value of a list."""

    of: Expression
    vocabulary: Vocabulary


@dataclass(frozen=True)
class EncodedTogether:
    """One id for a combination of values."""

    of: tuple[Expression, ...]
    vocabulary: Vocabulary


Expression = (
    Raw | Filled | WasNull | Clipped | Logarithm | Scaled | Halved | Bucketed | Sliced | Encoded | EncodedTogether
)


def raw_column(expression: Expression) -> RequestColumn:
    """Return the request's column with which an expression begins, of a combination the first one."""
    while not isinstance(expression, Raw):
        expression = expression.of[0] if isinstance(expression, EncodedTogether) else expression.of
    return expression.column
