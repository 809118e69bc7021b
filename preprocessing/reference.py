"""`python -m preprocessing.reference`: write the tables of docs/schema.md from the fields of the schema's models."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from preprocessing.declared import Schema
from preprocessing.features import (
    Categorical,
    Encoder,
    EvenBuckets,
    FeatureBase,
    Frozen,
    Numeric,
    Pretrained,
    Sequence,
    Text,
)
from preprocessing.log_layout import Columns, Log, Split

PAGE = Path(__file__).parents[1] / "docs" / "schema.md"
BEGIN, END = "<!-- begin {} -->", "<!-- end {} -->"
TABLES: dict[str, type[Frozen]] = {
    "schema": Schema,
    "log": Log,
    "columns": Columns,
    "split": Split,
    "feature": FeatureBase,
    "categorical": Categorical,
    "numeric": Numeric,
    "buckets": EvenBuckets,
    "sequence": Sequence,
    "text": Text,
    "pretrained": Pretrained,
    "encoder": Encoder,
}
KEYS_OF_ALL = frozenset(FeatureBase.model_fields)
WORDS = {str: "text", bool: "`true`, `false`", int: "whole number", float: "number"}


def with_tables(page: str) -> str:
    """Return `page` with a new table between each pair of markers."""
    for name, model in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page needs {begin} and {end} once each, in this order")
        page = f"{before}{begin}\n{table(model)}\n{end}{after}"
    return page


def table(model: type[Frozen]) -> str:
    """Return the keys of `model` as a Markdown table; keys of every feature are only in the table of `FeatureBase`."""
    rows = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for name, field in fields(model):
        cells = (f"`{name}`", values_of(field), default_of(field), str(field.description))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def fields(model: type[Frozen]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the model's own fields."""
    shared = KEYS_OF_ALL if issubclass(model, FeatureBase) and model is not FeatureBase else frozenset()
    for name, field in model.model_fields.items():
        if name not in shared:
            yield name, field


def values_of(field: FieldInfo) -> str:
    """Return the values that a field may have, in words."""
    return _words(field.annotation, field.metadata)


def _words(kind: Any, bounds: list[Any]) -> str:
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _words(inside[0], [*bounds, *inside[1:]])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (types.UnionType, typing.Union):
        return _words(next(each for each in inside if each is not type(None)), bounds)
    if origin is tuple:
        if inside[-1] is not Ellipsis:
            return f"`[…, …]`: two {_words(inside[0], [])}s"
        return "tables" if inside[0] not in WORDS else f"list of {_words(inside[0], [])}s"
    if isinstance(kind, type) and issubclass(kind, Frozen):
        return "table"
    return ", ".join([WORDS[kind], *filter(None, map(_bound, bounds))])


def _bound(bound: Any) -> str:
    match bound:
        case Ge():
            return f"{bound.ge} or more"
        case Gt():
            return f"above {bound.gt}"
        case Le():
            return f"{bound.le} at most"
        case Lt():
            return f"below {bound.lt}"
        case _:
            return ""


def default_of(field: FieldInfo) -> str:
    """Return the default as TOML writes it."""
    if field.is_required():
        return "must be given"
    value = field.default
    if value is None:
        return "absent"
    if isinstance(value, Frozen):
        return "its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
