"""The serving workflow: the ids of values in whole tables and in single rows, and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from preprocessing.schema import (
    FIRST_KNOWN_ID,
    NULL_ID,
    UNKNOWN_ID,
    Categorical,
    FittedSchema,
    Numeric,
    Sequence,
    Text,
    read_fitted,
)
from preprocessing.workflow import build_workflow, fit_workflow, load_workflow, to_fit_columns, transform

Row = dict[str, Any]


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def workflow(synthetic_data: Path) -> Any:
    return load_workflow(synthetic_data / "workflow")


@pytest.fixture(scope="module")
def requests(synthetic_data: Path) -> pd.DataFrame:
    return pd.concat(
        [pq.read_table(file).to_pandas() for file in sorted((synthetic_data / "requests").rglob("*.parquet"))]
    )


def encode(workflow: Any, fitted: FittedSchema, rows: pd.DataFrame) -> pd.DataFrame:
    return transform(workflow, fitted.schema_.request_features, rows)


def vocabulary(data: Path, feature: str, workflow: str = "workflow") -> list[Any]:
    """Known values in the order of their ids, from 3 on."""
    table = pq.read_table(data / workflow / "categories" / f"unique.{feature}.parquet")
    values: list[Any] = table[feature].to_pylist()
    return values


def same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return all(
        np.array_equal(np.asarray(a), np.asarray(b))
        for name in left.columns
        for a, b in zip(left[name], right[name], strict=True)
    )


def test_every_known_value_decodes_to_itself(
    synthetic_data: Path, workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    for feature in fitted.schema_.request_features:
        if isinstance(feature, Categorical | Text):
            values = vocabulary(synthetic_data, feature.name)
            assert len(values) == fitted.cardinality(feature.name) - FIRST_KNOWN_ID
            rows = pd.concat([requests.iloc[:1]] * len(values))
            rows[feature.name] = values
            ids = encode(workflow, fitted, rows)[feature.name]
            first = [value[0] for value in ids] if isinstance(feature, Text) else list(ids)
            assert first == list(range(FIRST_KNOWN_ID, FIRST_KNOWN_ID + len(values)))


def test_every_item_of_every_sequence_decodes_to_itself_by_the_item_index(
    synthetic_data: Path, workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    items = pq.read_table(synthetic_data / "item_index.parquet")["item_id"].to_pylist()
    assert len(items) == fitted.items
    for feature in fitted.schema_.request_features:
        if isinstance(feature, Sequence):
            rows = pd.concat([requests.iloc[:1]] * (fitted.items - FIRST_KNOWN_ID))
            rows[feature.name] = [[item] for item in items[FIRST_KNOWN_ID:]]
            ids = np.concatenate(list(encode(workflow, fitted, rows)[feature.name]))
            assert [items[each] for each in ids] == items[FIRST_KNOWN_ID:]


def test_known_values_have_ids_by_falling_frequency_in_training(synthetic_data: Path, fitted: FittedSchema) -> None:
    train = pq.read_table(synthetic_data / "train").to_pandas()
    for feature in fitted.schema_.request_features:
        if isinstance(feature, Categorical):
            counts = train[feature.name].value_counts().reindex(range(FIRST_KNOWN_ID, fitted.cardinality(feature.name)))
            assert counts.is_monotonic_decreasing, feature.name
    purchases = pq.read_table(synthetic_data / "item_index.parquet")["purchases"].to_pandas()
    assert purchases[FIRST_KNOWN_ID:].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("value", "expected"), [(None, NULL_ID), ("", NULL_ID), ("nowhere", UNKNOWN_ID), (np.nan, NULL_ID)]
)
def test_null_is_1_and_unknown_is_2_in_company_and_alone(
    workflow: Any, fitted: FittedSchema, requests: pd.DataFrame, value: Any, expected: int
) -> None:
    for count in (1, 3):
        rows = requests.iloc[:count].copy()
        for name in ("city", "device", "user_id"):
            rows[name] = [value, *rows[name].iloc[1:]]
        encoded = encode(workflow, fitted, rows)
        assert [encoded[name].iloc[0] for name in ("city", "device", "user_id")] == [expected] * 3
        if count > 1:
            assert same(encoded.iloc[1:], encode(workflow, fitted, requests.iloc[1:count]))


def test_an_int_never_seen_is_unknown(workflow: Any, fitted: FittedSchema, requests: pd.DataFrame) -> None:
    encoded = encode(workflow, fitted, requests.iloc[:2].assign(slot=99, tier=[-1, 2**40]))
    assert encoded["slot"].tolist() == [UNKNOWN_ID] * 2
    assert encoded["tier"].tolist() == [UNKNOWN_ID] * 2


def test_values_rarer_than_min_frequency_are_unknown(synthetic_data: Path, fitted: FittedSchema) -> None:
    raw = pq.read_table(synthetic_data / "requests" / "train").to_pandas()
    least = next(f.min_frequency for f in fitted.schema_.features if isinstance(f, Categorical) and f.name == "city")
    counts = raw["city"].value_counts()
    assert set(vocabulary(synthetic_data, "city")) == set(counts.index[counts >= least])
    assert (counts < least).any(), "the log shall hold a rare city, or this test says nothing"


def test_padding_is_dropped_wherever_it_stands_and_unknown_items_are_2(
    synthetic_data: Path, workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    items = pq.read_table(synthetic_data / "item_index.parquet")["item_id"].to_pylist()
    histories = [["", items[3], "", items[4], ""], [], ["", ""], ["no such item", items[5]], None]
    rows = requests.iloc[: len(histories)].copy()
    rows["recent"] = histories
    encoded = encode(workflow, fitted, rows)["recent"]
    assert [ids.tolist() for ids in encoded] == [[3, 4], [], [], [UNKNOWN_ID, 5], []]


def test_an_over_long_history_keeps_its_newest_items(
    synthetic_data: Path, workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    items = pq.read_table(synthetic_data / "item_index.parquet")["item_id"].to_pylist()[FIRST_KNOWN_ID:]
    rows = requests.iloc[:1].copy()
    rows["recent"] = [items]
    assert encode(workflow, fitted, rows)["recent"][0].tolist() == list(range(3, 3 + len(items)))[-8:]


def test_a_lone_row_with_nothing_in_it_is_encoded(workflow: Any, fitted: FittedSchema, requests: pd.DataFrame) -> None:
    row = requests.iloc[:1].copy()
    for feature in fitted.schema_.request_features:
        match feature:
            case Categorical(dtype="int"):
                row[feature.name] = 0
            case Numeric():
                row[feature.name] = np.nan
            case _:
                row[feature.name] = [None]
    encoded = encode(workflow, fitted, row)
    assert not encoded.isna().any(axis=None)
    assert encoded["recent"][0].tolist() == []
    assert encoded["bio"][0].tolist() == []
    assert encoded["taste"][0].tolist() == [0.0] * 4
    assert encoded["city"][0] == NULL_ID


def test_no_rows_give_no_rows(workflow: Any, fitted: FittedSchema, requests: pd.DataFrame) -> None:
    assert len(encode(workflow, fitted, requests.iloc[:0])) == 0


def test_an_index_with_gaps_changes_nothing(workflow: Any, fitted: FittedSchema, requests: pd.DataFrame) -> None:
    """Categorify of a list column made nulls of 415 of 4,771 rows where the index had gaps (DESIGN §7)."""
    chosen = requests.reset_index(drop=True).iloc[::3]
    expected = encode(workflow, fitted, chosen.reset_index(drop=True))
    for index in (chosen.index, chosen.index[::-1], [7] * len(chosen), [f"row {n}" for n in range(len(chosen))]):
        encoded = encode(workflow, fitted, chosen.set_axis(index))
        assert not encoded.isna().any(axis=None)
        assert same(encoded, expected)


def test_rows_do_not_depend_on_their_company(workflow: Any, fitted: FittedSchema, requests: pd.DataFrame) -> None:
    rows = requests.iloc[::29]
    together = encode(workflow, fitted, rows)
    alone = pd.concat([encode(workflow, fitted, rows.iloc[[place]]) for place in range(len(rows))], ignore_index=True)
    assert same(together, alone)


def test_numbers_are_filled_clipped_logged_and_normalised_in_this_order(
    synthetic_data: Path, fitted: FittedSchema
) -> None:
    raw = pq.read_table(synthetic_data / "requests" / "train").to_pandas()
    encoded = pq.read_table(synthetic_data / "train").to_pandas()
    age = np.log1p(raw["age"].fillna(40.0).clip(18.0, 80.0))
    learned = fitted.learned["age"].statistics
    assert learned == pytest.approx({"mean": age.mean(), "std": age.std()}, rel=1e-3)
    assert encoded["age"].to_numpy() == pytest.approx(((age - learned["mean"]) / learned["std"]).to_numpy(), abs=1e-5)
    screen = np.digitize(raw["screen"].fillna(0.0), [4.0, 6.5, 13.0])
    assert encoded["screen"].tolist() == screen.tolist()
    assert set(screen) == {0, 1, 3}
    since = np.log1p(raw["days_since"].fillna(0.0).clip(0.0, 30.0))
    assert encoded["days_since"].to_numpy() == pytest.approx(since.to_numpy(), abs=1e-5)


def test_a_text_is_lower_cased_cut_into_words_and_keeps_the_first(
    synthetic_data: Path, workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    words = vocabulary(synthetic_data, "query")
    row = requests.iloc[:1].assign(query=f"  {words[1].upper()}\tqwerty {words[0]}\n{words[2]}")
    assert encode(workflow, fitted, row)["query"][0].tolist() == [4, UNKNOWN_ID, 3]


def test_a_vector_passes_through_and_a_missing_one_is_zeros(
    workflow: Any, fitted: FittedSchema, requests: pd.DataFrame
) -> None:
    rows = requests.iloc[:3].copy()
    rows["mood"] = [[0.1, -2.0, 3.5], None, np.array([1.0, 2.0, 3.0])]
    moods = encode(workflow, fitted, rows)["mood"]
    assert [mood.dtype for mood in moods] == [np.float32] * 3
    assert np.allclose(np.stack(moods), [[0.1, -2.0, 3.5], [0, 0, 0], [1, 2, 3]])


def test_item_features_follow_the_same_convention(synthetic_data: Path) -> None:
    index = pq.read_table(synthetic_data / "item_index.parquet").to_pandas()
    items = pq.read_table(synthetic_data / "items.parquet").to_pandas().set_index("item_id")
    brands = vocabulary(synthetic_data, "brand", "item_workflow")
    assert index["brand"][:FIRST_KNOWN_ID].tolist() == [0, NULL_ID, UNKNOWN_ID]
    for row in index[FIRST_KNOWN_ID:].itertuples():
        assert items["encoded_id"][row.item_id] == row.Index
        raw = items["brand"][row.item_id]
        assert row.brand == (NULL_ID if raw is None else FIRST_KNOWN_ID + brands.index(raw))
        assert len(row.picture) == 5


def test_only_vectors_and_plain_numbers_make_a_workflow_too(tmp_path: Path) -> None:
    from preprocessing.schema import Pretrained

    features = (
        Pretrained(name="v", kind="pretrained", side="item", dim=2),
        Numeric(name="x", kind="numeric", side="item", fill=-1.0),
    )
    frame = pd.DataFrame({"v": [[1.0, 2.0], None], "x": [np.nan, 3.0]})
    workflow = build_workflow(features, pd.Series(["a"]), tmp_path)
    fit_workflow(workflow, to_fit_columns(features, frame), tmp_path / "saved")
    encoded = transform(load_workflow(tmp_path / "saved"), features, frame)
    assert encoded["x"].tolist() == [-1.0, 3.0]
    assert [vector.tolist() for vector in encoded["v"]] == [[1.0, 2.0], [0.0, 0.0]]
