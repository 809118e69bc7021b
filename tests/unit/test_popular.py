"""`popular.parquet`: the most purchased items of training, of the whole log and by context."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from preprocessing import popular
from preprocessing.declared import parse_schema
from preprocessing.fit import fit
from preprocessing.schema import Schema, SchemaError


def schema_of(**more: Any) -> Schema:
    body = {
        "name": "unit",
        "log": {"columns": {"user": "user", "item": "item", "time": "time"}},
        "split": {"kind": "leave_one_out"},
        "popular_by": ["country"],
        "features": [
            {"name": "country", "kind": "categorical", "side": "context"},
            {"name": "slot", "kind": "categorical", "side": "context", "dtype": "int"},
            {"name": "city", "kind": "categorical", "side": "user"},
            {"name": "item_id", "kind": "categorical", "side": "item", "column": "item", "min_frequency": 2},
        ],
    }
    return parse_schema({**body, **more}, "unit")


def write(folder: Path) -> Path:
    rows = [
        *(("a", item, "DE") for item in ("tea", "mug", "tea", "jam", "tea", "tea")),
        *(("b", item, None) for item in ("mug", "mug", "tea", "rare", "jam", "mug")),
        *(("c", item, "IT") for item in ("jam", "mug", "jam")),
    ]
    log = pd.DataFrame(rows, columns=["user", "item", "country"])
    log["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(log.index, "D")
    log.assign(slot=1, city="x").to_parquet(folder / "interactions.parquet", index=False)
    return folder


def table(data: Path) -> list[tuple[str, str, str, int]]:
    names = pq.read_table(data / "item_index.parquet")["item_id"].to_pylist()
    rows = pq.read_table(data / "popular.parquet").to_pylist()
    return [(row["feature"], row["value"], names[row["encoded_id"]], row["purchases"]) for row in rows]


def test_the_items_of_training_are_counted_for_the_log_and_for_each_value(tmp_path: Path) -> None:
    fit(schema_of(), write(tmp_path), tmp_path / "data")
    assert table(tmp_path / "data") == [
        ("", "", "mug", 3),
        ("", "", "tea", 3),
        ("", "", "jam", 2),
        ("country", "DE", "tea", 2),
        ("country", "DE", "mug", 1),
        ("country", "DE", "jam", 1),
        ("country", "IT", "jam", 1),
    ]


def test_a_list_ends_at_its_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popular, "MOST", 1)
    fit(schema_of(), write(tmp_path), tmp_path / "data")
    assert [row[:3] for row in table(tmp_path / "data")] == [
        ("", "", "mug"),
        ("country", "DE", "tea"),
        ("country", "IT", "jam"),
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["city"], r"popular_by names 'city', which is not a categorical of the context .*\['country'\]"),
        (["slot"], "popular_by names 'slot', which is not a categorical of the context with text values"),
        (["none"], "popular_by names 'none'"),
        (["country", "country"], "popular_by names 'country' twice"),
    ],
)
def test_only_a_text_category_of_the_context_divides_what_is_popular(names: list[str], words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        schema_of(popular_by=names)


def test_the_key_leaves_the_digest_of_a_schema_that_does_not_use_it() -> None:
    assert "popular_by" not in schema_of(popular_by=[]).model_dump()
