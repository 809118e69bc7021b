"""docs/schema.md says what every key of a schema means, in the words of the fields themselves."""

import tomllib
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from preprocessing.declared import Schema
from preprocessing.features import Frozen
from preprocessing.reference import PAGE, TABLES, fields, with_tables
from preprocessing.schema import SCHEMA_FOLDER


def models_in(kind: Any) -> Iterator[type[Frozen]]:
    """Yield every model that a field's type is made of, the models of their fields included."""
    if isinstance(kind, type) and issubclass(kind, Frozen):
        yield kind
        for field in kind.model_fields.values():
            yield from models_in(field.annotation)
    for inside in typing.get_args(kind):
        yield from models_in(inside)


def test_the_page_is_in_step_with_the_fields() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "docs/schema.md is out of step: run python -m preprocessing.reference"


def test_every_key_of_a_schema_is_on_the_page_with_a_meaning() -> None:
    assert set(models_in(Schema)) <= set(TABLES.values())
    for model in TABLES.values():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no description"
            assert not field.description.endswith("."), f"{model.__name__}.{name}"
    tables = PAGE.read_text(encoding="utf-8").split("<!-- begin ")[1:]
    for table, model in zip(tables, TABLES.values(), strict=True):
        for name, _ in fields(model):
            assert f"| `{name}` |" in table


def test_a_page_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="the page needs <!-- begin log --> and <!-- end log --> once each"):
        with_tables(PAGE.read_text(encoding="utf-8").replace("<!-- begin log -->", ""))


def test_every_key_of_the_shipped_schemas_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for path in SCHEMA_FOLDER.glob("*.toml"):
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        keys = {*body, *body["log"], *body["log"]["columns"], *body.get("split", {})}
        keys |= {key for feature in body["features"] for key in feature}
        assert {key for key in keys if f"| `{key}` |" not in page} == set()
