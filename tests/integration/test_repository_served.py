"""An exported repository on the real server: every path gives torch's answers, and errors affect one request."""

import importlib
import json
import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from client.recommend_client import RecommendClient
from export.data.golden import Row, request_tensors
from export.families.offline_online.plan import RECOMMEND, RECOMMEND_FUSED, RECOMMEND_NVTABULAR
from export.triton.plan import PREPROCESS
from preprocessing.schema import Numeric
from tests.integration.served import Served, as_inputs


def test_all_models_of_a_fresh_repository_are_ready(served: Served) -> None:
    index = served.client.get_model_repository_index()
    assert {model.name: model.state for model in index.models} == dict.fromkeys(served.models, "READY")
    compiled = PREPROCESS in served.models
    assert served.paths == [RECOMMEND, *([RECOMMEND_FUSED] if compiled else []), RECOMMEND_NVTABULAR]


def test_golden_rows_get_torch_s_answers_and_the_same_ones_on_every_path(served: Served) -> None:
    rows = served.golden.rows
    places = [list(range(start, min(start + 16, len(rows)))) for start in range(0, len(rows), 16)]
    answers = {path: [served.infer(path, [rows[place] for place in each]) for each in places] for path in served.paths}
    for each in answers.values():
        served.assert_torch_s(list(range(len(rows))), each)
    ids, scores = (
        {path: np.concatenate([answer.as_numpy(name) for answer in each]) for path, each in answers.items()}
        for name in ("item_id", "score")
    )
    for path in served.paths[1:]:
        np.testing.assert_array_equal(ids[path], ids[RECOMMEND], err_msg=path)
        # NVTabular's logarithm is 4 units in the last place off (see export.graphs.workflow), all else is equal.
        np.testing.assert_allclose(scores[path], scores[RECOMMEND], atol=2e-5, err_msg=path)
    if RECOMMEND_FUSED in served.paths:
        np.testing.assert_array_equal(scores[RECOMMEND_FUSED], scores[RECOMMEND])


def test_unknown_nothing_and_an_empty_history_get_recommendations(served: Served) -> None:
    ints: Row = {f.name: 99 for f in served.features if getattr(f, "dtype", "") == "int"}
    requests = [
        {**ints, "user_id": "never seen", "recent": ["never seen"] * 3, "city": "nowhere 🏝"},
        ints,
        {**served.golden.rows[20], "recent": [], "frequent": [], "basket": []},
    ]
    for path in served.paths:
        with RecommendClient(served.server.grpc_url, path) as client:
            answers = client.recommend(requests)
        for answer in answers:
            assert len(set(answer.item_ids)) == len(answer.item_ids) == served.fitted.items - 3
            assert np.isfinite(answer.scores).all()
            assert list(answer.scores) == sorted(answer.scores, reverse=True)


def test_items_of_the_basket_are_not_recommended(served: Served) -> None:
    basket = [served.items[place] for place in (0, 4, 8)]
    for path in served.paths:
        with RecommendClient(served.server.grpc_url, path) as client:
            [answer] = client.recommend([{**served.golden.rows[20], "basket": basket}])
        assert set(served.items) - set(answer.item_ids) == set(basket)


def assert_same_answers(served: Served, row: Row, other: Row) -> None:
    """Two requests get one answer, and the same one on every path."""
    first: Any = None
    for path in served.paths:
        answer, other_answer = served.infer(path, [row]), served.infer(path, [other])
        first = first or answer
        for expected, found in ((answer, other_answer), (first, answer)):
            np.testing.assert_array_equal(found.as_numpy("item_id"), expected.as_numpy("item_id"), err_msg=path)
            np.testing.assert_allclose(found.as_numpy("score"), expected.as_numpy("score"), atol=2e-5, err_msg=path)


def test_a_history_that_is_too_long_keeps_its_newest_items_on_every_path(served: Served) -> None:
    newest = {**served.golden.rows[20], "recent": served.items[:8]}
    assert_same_answers(served, newest, {**newest, "recent": [*served.items[8:], *[""] * 3000, *served.items[:8]]})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -5.0])
def test_numbers_that_are_not_finite_are_null_on_every_path(served: Served, value: float) -> None:
    row = served.golden.rows[20]
    null = {"basket_value": None, "mood": None}
    assert_same_answers(served, {**row, **null}, {**row, "basket_value": value, "mood": [0.5, 0.5, np.inf]})
    clipped = {f.name: -np.inf for f in served.features if isinstance(f, Numeric) and f.clip}
    assert_same_answers(served, {**row, **clipped}, {**row, **dict.fromkeys(clipped, -1e30)})


def test_ints_at_the_ends_of_int64_are_unknown_on_every_path(served: Served) -> None:
    row = served.golden.rows[20]
    unknown = {**row, "slot": 10**9 + 7, "tier": 10**9 + 7}
    assert_same_answers(served, unknown, {**row, "slot": 2**63 - 1, "tier": -(2**63)})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.5, "1"])
def test_an_int_that_int64_does_not_hold_is_refused_on_every_path(served: Served, value: Any) -> None:
    arrays = request_tensors(served.features, served.golden.rows[20:21])
    tensors = [
        {"name": name, "shape": list(array.shape), "datatype": np_to_triton_dtype(array.dtype),
         "data": [each.decode() if isinstance(each, bytes) else each for each in array.ravel().tolist()]}
        for name, array in arrays.items()
    ]  # fmt: skip
    next(tensor for tensor in tensors if tensor["name"] == "slot")["data"] = [value]
    refusals = set()
    for path in served.paths:
        body = json.dumps({"inputs": tensors}).replace("NaN", "0.0").encode()
        request = urllib.request.Request(f"{served.server.http_url}/v2/models/{path}/infer", body)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request)
        with refusal.value as answer:
            refusals.add((answer.code, json.loads(answer.read())["error"]))
    [(code, message)] = refusals
    assert code >= 400
    assert "JSON" in message
    assert served.client.is_server_ready()


def test_bytes_that_are_not_utf8_count_as_unknown_on_every_path(served: Served) -> None:
    row = {**served.golden.rows[20], "recent": ["never seen"], "city": "never seen"}
    first: Any = None
    for path in served.paths:
        arrays = request_tensors(served.features, [row] * 2)
        arrays["recent"][1, 0] = arrays["city"][1, 0] = b"\xff\xfe\x00"
        answer = served.client.infer(path, as_inputs(arrays))
        first = first or answer
        for name, compare in (("item_id", np.testing.assert_array_equal), ("score", assert_close)):
            compare(answer.as_numpy(name)[0], answer.as_numpy(name)[1])
            compare(answer.as_numpy(name), first.as_numpy(name))


def assert_close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
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
    served: Served, protocol: str, name: str, array: np.ndarray[Any, Any] | None, message: str
) -> None:
    triton: Any = importlib.import_module(f"tritonclient.{protocol}")
    arrays = request_tensors(served.features, served.golden.rows[:1])
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    target = served.server.grpc_target if protocol == "grpc" else served.server.http_url.removeprefix("http://")
    with triton.InferenceServerClient(target) as client:
        for path in served.paths:
            with pytest.raises(InferenceServerException, match=message):
                client.infer(path, as_inputs(arrays, triton))
    assert served.client.is_server_ready()


def test_the_configs_of_the_server_carry_the_schema_s_digest(served: Served) -> None:
    for model in served.models:
        parameters = served.client.get_model_config(model).config.parameters
        assert parameters["schema_digest"].string_value == served.fitted.digest
        assert parameters["family"].string_value == "offline_online"
