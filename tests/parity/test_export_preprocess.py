"""`model_repository/preprocess_nvtabular/1/model.py` encodes like the saved workflow did for training."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from export.data.golden import Arrays, Row, golden_rows, request_tensors
from export.data.saved_workflow import SavedWorkflow
from export.parity.python_models import open_requests
from export.triton.config import read_config
from export.triton.plan import PREPROCESS_NVTABULAR
from preprocessing.schema import FittedSchema, Sequence, read_fitted
from tests.exported import repository


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def preprocessor(synthetic_data: Path) -> Any:
    folder = repository(synthetic_data, "onnx")
    path = folder / PREPROCESS_NVTABULAR / "1" / "model.py"
    return open_requests(path, read_config(folder, PREPROCESS_NVTABULAR), lambda _, arrays: arrays)


@pytest.fixture(scope="module")
def rows(synthetic_data: Path, fitted: FittedSchema) -> list[Row]:
    """Every recorded row of the test split, and the ugly rows."""
    names = [feature.name for feature in fitted.schema_.request_features]
    files = sorted((synthetic_data / "requests" / "test").glob("week=*/*.parquet"))
    recorded = [row for file in files for row in pq.read_table(file, columns=names, partitioning=None).to_pylist()]
    return [*golden_rows(synthetic_data, fitted), *recorded]


def assert_equal(found: Arrays | Exception, expected: Arrays) -> None:
    assert not isinstance(found, Exception), found
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype, name
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_recorded_rows_are_encoded_bit_for_bit_as_for_training(
    synthetic_data: Path, fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    features = fitted.schema_.request_features
    [found] = preprocessor([request_tensors(features, rows)])
    assert_equal(found, SavedWorkflow.of_requests(synthetic_data).encode(features, rows))


def test_requests_of_any_length_in_one_batch_are_encoded_as_each_alone(
    synthetic_data: Path, fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    features = fitted.schema_.request_features
    short = {**rows[12], "recent": [*known_items(synthetic_data, 4)]}
    parts = [rows[:1], rows[1:2], [short], rows[2:5], rows[6:13]]
    together = preprocessor([request_tensors(features, part) for part in parts])
    widths = set()
    for part, found in zip(parts, together, strict=True):
        assert_equal(found, SavedWorkflow.of_requests(synthetic_data).encode(features, part))
        widths.add(found["recent.encoded"].shape[1])
    assert widths == {1, 4, 8}


def request(fitted: FittedSchema, rows: list[Row], **changed: Any) -> Arrays:
    return request_tensors(fitted.schema_.request_features, [{**rows[12], **changed}])


def known_items(data: Path, count: int) -> list[str]:
    items: list[str] = pq.read_table(data / "item_index.parquet")["item_id"].to_pylist()
    return items[3 : 3 + count]


def test_empty_strings_are_dropped_wherever_they_stand_and_the_newest_items_kept(
    synthetic_data: Path, fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    items = known_items(synthetic_data, 12)
    gaps = [each for item in items for each in ("", item, "")]
    [found] = preprocessor([request(fitted, rows, recent=gaps, basket=gaps[:9])])
    assert found["recent.encoded"].tolist() == [list(range(7, 15))]
    assert found["basket.encoded"].tolist() == [[3, 4, 5, 0]]


def test_bytes_that_are_not_utf8_are_unknown(
    synthetic_data: Path, fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    arrays = request(fitted, rows, recent=["x", *known_items(synthetic_data, 1)])
    arrays["recent"][0, 0] = b"\xff\xfe"
    arrays["city"][0, 0] = b"\xc3"
    arrays["query"][0, 0] = b"\xe6 \xe6"
    [found] = preprocessor([arrays])
    assert found["recent.encoded"][0].tolist() == [2, 3]
    assert found["city.encoded"].tolist() == [[2]]
    assert found["query.encoded"].tolist() == [[2, 2, 0]]


def test_a_history_of_any_length_keeps_its_newest_items(
    synthetic_data: Path, fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    items = known_items(synthetic_data, 8)
    [found] = preprocessor([request(fitted, rows, recent=["never seen"] * 5000 + items)])
    assert found["recent.encoded"].tolist() == [list(range(3, 11))]


def test_nulls_alone_in_a_batch_are_encoded(fitted: FittedSchema, preprocessor: Any) -> None:
    features = fitted.schema_.request_features
    nothing: Row = {feature.name: None for feature in features}
    nothing |= {feature.name: 0 for feature in features if getattr(feature, "dtype", "") == "int"}
    [found] = preprocessor([request_tensors(features, [nothing])])
    assert found["city.encoded"].tolist() == [[1]]
    assert found["bio.encoded"].tolist() == [[0] * 6]
    assert found["mood.encoded"].tolist() == [[0.0] * 3]
    for feature in features:
        if isinstance(feature, Sequence):
            assert found[f"{feature.name}.encoded"].tolist() == [[0]]
    assert np.isfinite(found["age.encoded"]).all()


@pytest.mark.parametrize(("value", "encoded"), [(-5.0, math.nan), (-1.0, -math.inf), (math.inf, math.inf)])
def test_what_the_workflow_makes_of_a_number_that_it_cannot_encode_passes(
    fitted: FittedSchema, preprocessor: Any, rows: list[Row], value: float, encoded: float
) -> None:
    [found] = preprocessor([request(fitted, rows, basket_value=value)])
    np.testing.assert_array_equal(found["basket_value.encoded"], [[encoded]])


def test_nan_is_null_and_far_numbers_are_clipped_or_fall_into_a_bucket(
    fitted: FittedSchema, preprocessor: Any, rows: list[Row]
) -> None:
    far = {"age": math.inf, "screen": math.inf, "days_since": -math.inf, "temperature": math.nan}
    near = {"age": 80.0, "screen": 99.0, "days_since": 0.0, "temperature": 12.0}
    found, expected = preprocessor([request(fitted, rows, **far), request(fitted, rows, **near)])
    assert_equal(found, expected)


def test_vectors_pass_through_as_they_are(fitted: FittedSchema, preprocessor: Any, rows: list[Row]) -> None:
    vector = [np.float32(0.1), 3e38, -1e-40]
    [found] = preprocessor([request(fitted, rows, mood=vector)])
    np.testing.assert_array_equal(found["mood.encoded"], np.array([vector], dtype=np.float32))
