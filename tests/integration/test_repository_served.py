"""An exported repository on the real server: its answers are torch's, its errors are the request's own."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from client.recommend_client import RecommendClient
from export.golden import Arrays, Row, read_item_ids, request_tensors
from export.recommend import ENSEMBLE, PREPROCESS
from export.reference import Reference, read_reference
from export.verify import compare_rankings
from preprocessing.schema import FittedSchema, read_fitted
from serving.server import TritonServer, run_triton
from tests.exported import repository

MODELS = {"preprocess_nvtabular", "offline_encoder", "online_ranker", "decode", "recommend_nvtabular"}


@pytest.fixture(scope="module", params=["onnx", "torchscript"])
def server(request: pytest.FixtureRequest, synthetic_data: Path) -> Iterator[TritonServer]:
    with run_triton(repository(synthetic_data, request.param), grace_s=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.grpc_target) as connected:
        yield connected


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def golden(synthetic_data: Path, fitted: FittedSchema) -> Reference:
    return read_reference(fitted.schema_.request_features, repository(synthetic_data, "onnx"))


@pytest.fixture(scope="module")
def encoded_ids(synthetic_data: Path) -> dict[str, int]:
    return {item: place for place, item in reversed(list(enumerate(read_item_ids(synthetic_data))))}


def inputs(arrays: Arrays, triton: Any = triton) -> list[Any]:
    tensors = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return tensors


def assert_torch_s(golden: Reference, places: list[int], answers: list[Any], encoded_ids: dict[str, int]) -> None:
    """The answers' rows, one after the other, are torch's to the golden rows at `places`."""
    ids = [[encoded_ids[item.decode()] for item in row] for each in answers for row in each.as_numpy("item_id")]
    scores = np.concatenate([each.as_numpy("score") for each in answers])
    expected = {name: golden.answers[name][places] for name in ("item_ids", "score")}
    compare_rankings("served", expected, np.array(ids), scores)


def test_all_models_of_a_fresh_repository_are_ready(client: triton.InferenceServerClient) -> None:
    index = client.get_model_repository_index()
    assert {model.name: model.state for model in index.models} == dict.fromkeys(MODELS, "READY")


def test_declared_outputs_are_those_returned(
    client: triton.InferenceServerClient, fitted: FittedSchema, golden: Reference
) -> None:
    arrays = request_tensors(fitted.schema_.request_features, golden.rows[:3])
    for model in (ENSEMBLE, PREPROCESS):
        answer = client.infer(model, inputs(arrays))
        for declared in client.get_model_metadata(model).outputs:
            returned = answer.as_numpy(declared.name)
            assert np_to_triton_dtype(returned.dtype) == declared.datatype
            assert len(returned.shape) == len(declared.shape)
            assert all(d in (-1, r) for d, r in zip(declared.shape, returned.shape, strict=True)), declared.name


def test_golden_rows_together_get_torch_s_answers(
    client: triton.InferenceServerClient, fitted: FittedSchema, golden: Reference, encoded_ids: dict[str, int]
) -> None:
    batches = [list(range(start, min(start + 16, len(golden.rows)))) for start in range(0, len(golden.rows), 16)]
    features = fitted.schema_.request_features
    answers = [
        client.infer(ENSEMBLE, inputs(request_tensors(features, [golden.rows[i] for i in each]))) for each in batches
    ]
    assert_torch_s(golden, list(range(len(golden.rows))), answers, encoded_ids)


def test_requests_of_mixed_lengths_in_flight_at_once_get_torch_s_answers(
    client: triton.InferenceServerClient,
    fitted: FittedSchema,
    golden: Reference,
    encoded_ids: dict[str, int],
    all_at_once: Callable[..., list[Any]],
) -> None:
    features = fitted.schema_.request_features
    requests = [inputs(request_tensors(features, [row])) for row in golden.rows]
    before = executions(client)
    answers = all_at_once(client, ENSEMBLE, requests)
    assert [error for _, error in answers if error is not None] == []
    assert_torch_s(golden, list(range(len(golden.rows))), [answer for answer, _ in answers], encoded_ids)
    assert executions(client) - before < len(requests) / 3, "requests of different lengths did not meet in a batch"


def executions(client: triton.InferenceServerClient) -> int:
    return int(client.get_inference_statistics(PREPROCESS).model_stats[0].execution_count)


def test_unknown_nothing_and_an_empty_history_get_recommendations(
    server: TritonServer, fitted: FittedSchema, golden: Reference
) -> None:
    ints: Row = {f.name: 99 for f in fitted.schema_.request_features if getattr(f, "dtype", "") == "int"}
    with RecommendClient(server.grpc_url) as client:
        unknown, nothing, empty = client.recommend(
            [
                {**ints, "user_id": "never seen", "recent": ["never seen"] * 3, "city": "nowhere 🏝"},
                ints,
                {**golden.rows[20], "recent": [], "frequent": [], "basket": []},
            ]
        )
    for answer in (unknown, nothing, empty):
        assert len(set(answer.item_ids)) == len(answer.item_ids) == fitted.items - 3
        assert np.isfinite(answer.scores).all()
        assert list(answer.scores) == sorted(answer.scores, reverse=True)


def test_items_of_the_basket_are_not_recommended(
    server: TritonServer, golden: Reference, encoded_ids: dict[str, int]
) -> None:
    basket = [item for item, place in encoded_ids.items() if place in (3, 7, 11)]
    with RecommendClient(server.grpc_url) as client:
        [answer] = client.recommend([{**golden.rows[20], "basket": basket}])
    assert set(encoded_ids) - {""} - set(answer.item_ids) == set(basket)


def test_a_history_that_is_too_long_keeps_its_newest_items(
    client: triton.InferenceServerClient, fitted: FittedSchema, golden: Reference, encoded_ids: dict[str, int]
) -> None:
    features = fitted.schema_.request_features
    items = sorted(encoded_ids, key=lambda item: encoded_ids[item])[3:]
    newest = {**golden.rows[20], "recent": items[:8]}
    longer = {**newest, "recent": [*items[8:], *[""] * 900, *items[:8]]}
    answers = [client.infer(ENSEMBLE, inputs(request_tensors(features, [row]))) for row in (newest, longer)]
    for name in ("item_id", "score"):
        np.testing.assert_array_equal(answers[0].as_numpy(name), answers[1].as_numpy(name))


def test_a_request_beyond_the_limit_fails_alone_among_those_in_flight(
    client: triton.InferenceServerClient,
    fitted: FittedSchema,
    golden: Reference,
    encoded_ids: dict[str, int],
    all_at_once: Callable[..., list[Any]],
) -> None:
    features = fitted.schema_.request_features
    rows = [dict(row) for row in golden.rows[20:26]]
    rows[2]["recent"] = ["x"] * 1025
    answers = all_at_once(client, ENSEMBLE, [inputs(request_tensors(features, [row])) for row in rows])
    assert [place for place, (_, error) in enumerate(answers) if error is not None] == [2]
    assert "recent: has 1025 positions, at most 1024 are taken" in str(answers[2][1])
    fine = [0, 1, 3, 4, 5]
    assert_torch_s(golden, [20 + place for place in fine], [answers[place][0] for place in fine], encoded_ids)
    assert client.is_server_ready()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("basket_value", -5.0, "basket_value: -5 is out of range"),
        ("mood", [0.0, np.nan, 0.0], "mood: nan is out of range"),
        ("recent", ["x"] * 1025, "recent: has 1025 positions"),
    ],
)
def test_what_a_request_itself_got_wrong_is_an_invalid_argument(
    server: TritonServer, fitted: FittedSchema, golden: Reference, protocol: str, name: str, value: Any, message: str
) -> None:
    triton: Any = importlib.import_module(f"tritonclient.{protocol}")
    arrays = request_tensors(fitted.schema_.request_features, [{**golden.rows[20], name: value}])
    target = server.grpc_target if protocol == "grpc" else server.http_url.removeprefix("http://")
    with (
        triton.InferenceServerClient(target) as client,
        pytest.raises(InferenceServerException, match=message) as refusal,
    ):
        client.infer(ENSEMBLE, inputs(arrays, triton))
    assert refusal.value.status() == ("StatusCode.INVALID_ARGUMENT" if protocol == "grpc" else "400")


def test_bytes_that_are_not_utf8_count_as_unknown(
    client: triton.InferenceServerClient, fitted: FittedSchema, golden: Reference
) -> None:
    features = fitted.schema_.request_features
    arrays = request_tensors(features, [{**golden.rows[20], "recent": ["never seen"], "city": "never seen"}] * 2)
    arrays["recent"][1, 0] = arrays["city"][1, 0] = b"\xff\xfe\x00"
    answer = client.infer(ENSEMBLE, inputs(arrays))
    np.testing.assert_array_equal(answer.as_numpy("item_id")[0], answer.as_numpy("item_id")[1])
    np.testing.assert_allclose(answer.as_numpy("score")[0], answer.as_numpy("score")[1], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("user_id", np.array([[1]], dtype=np.int64), "INT64.*expects 'BYTES'|data-type"),
        ("age", np.zeros((1, 2), dtype=np.float32), "unexpected shape"),
        ("recent", np.full((1, 2, 2), b"x", dtype=np.object_), "unexpected shape"),
        ("mood", np.zeros((1, 2), dtype=np.float32), "unexpected shape"),
        ("slot", None, "expected .* inputs|missing"),
    ],
)
def test_a_wrong_tensor_is_refused_by_name_and_the_server_stays_ready(
    client: triton.InferenceServerClient,
    fitted: FittedSchema,
    golden: Reference,
    name: str,
    array: np.ndarray[Any, Any] | None,
    message: str,
) -> None:
    arrays = request_tensors(fitted.schema_.request_features, golden.rows[:1])
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    with pytest.raises(InferenceServerException, match=message):
        client.infer(ENSEMBLE, inputs(arrays))
    assert client.is_server_ready()


def test_the_configs_of_the_server_carry_the_schema_s_digest(
    client: triton.InferenceServerClient, fitted: FittedSchema
) -> None:
    for model in MODELS:
        parameters = client.get_model_config(model).config.parameters
        assert parameters["schema_digest"].string_value == fitted.digest
        assert parameters["family"].string_value == "offline_online"
