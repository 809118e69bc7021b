"""Requests become the tensors that the server's metadata ask for, or are refused by name."""

from __future__ import annotations

import ast
import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import InvalidRequest, ModelMismatch
from client.recommend_client import DEFAULT_MODEL, RecommendClient
from client.recorded import RecordedRow
from client.request_tensors import LENGTH_BUCKETS, bucket_length, build_tensors
from client.signature import Signature, TensorSpec, read_signature
from export.triton.config import read_config


def signature_of(*inputs: tuple[str, str, tuple[int, ...]]) -> Signature:
    return Signature("shop", {name: TensorSpec(name, kind, dims) for name, kind, dims in inputs}, {}, 64)


SHOP = signature_of(
    ("household_id", "BYTES", (1,)),
    ("hour", "INT64", (1,)),
    ("basket_value", "FP32", (1,)),
    ("style", "FP32", (3,)),
    ("recent_items", "BYTES", (-1,)),
)


def test_values_go_into_arrays_of_the_declared_types_and_missing_ones_are_null() -> None:
    full = {"household_id": "é", "hour": 9, "basket_value": 2, "style": [1, 2.5, 0], "recent_items": ["a", None, "b"]}
    arrays = build_tensors(SHOP, [full, {"hour": np.int32(3)}])
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "household_id": (np.object_, (2, 1)),
        "hour": (np.int64, (2, 1)),
        "basket_value": (np.float32, (2, 1)),
        "style": (np.float32, (2, 3)),
        "recent_items": (np.object_, (2, 8)),
    }
    assert arrays["household_id"].tolist() == [["é".encode()], [b""]]
    assert arrays["hour"].tolist() == [[9], [3]]
    assert arrays["basket_value"][0, 0] == 2
    assert math.isnan(arrays["basket_value"][1, 0])
    assert arrays["style"].tolist() == [[1, 2.5, 0], [0, 0, 0]]
    assert arrays["recent_items"].tolist() == [[b"a", b"", b"b"] + [b""] * 5, [b""] * 8]


@settings(deadline=None)
@given(st.lists(st.lists(st.text(min_size=1), max_size=300), min_size=1, max_size=4))
def test_sequences_are_padded_to_a_bucket_and_lose_no_item(histories: list[list[str]]) -> None:
    model = signature_of(("recent_items", "BYTES", (-1,)))
    try:
        wanted = [[item.encode() for item in history] for history in histories]
    except UnicodeEncodeError:
        with pytest.raises(InvalidRequest, match="valid unicode"):
            build_tensors(model, [{"recent_items": history} for history in histories])
        return
    array = build_tensors(model, [{"recent_items": history} for history in histories])["recent_items"]
    longest = max(len(history) for history in histories)
    assert array.shape[1] in LENGTH_BUCKETS or array.shape[1] == longest > LENGTH_BUCKETS[-1]
    assert [[item for item in row if item] for row in array.tolist()] == wanted


@pytest.mark.parametrize(("length", "bucket"), [(0, 8), (8, 8), (9, 16), (65, 128), (256, 256), (257, 257)])
def test_a_length_goes_to_the_next_bucket_and_past_the_last_stays(length: int, bucket: int) -> None:
    assert bucket_length(length) == bucket


def test_sequences_as_arrays_are_taken_too() -> None:
    arrays = build_tensors(SHOP, [{"hour": 1, "recent_items": np.array(["a", "b"])}])
    assert arrays["recent_items"][0, :2].tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"hours": 1},
            r"shop takes no feature 'hours': it takes household_id, hour, basket_value, style, recent_items",
        ),
        ({}, "hour: is missing, and INT64 has no null: give an int .*client describe --model shop"),
        ({"hour": None}, "hour: is missing"),
        ({"hour": "9"}, "hour: seen str '9': give an int"),
        ({"hour": 9.0}, "hour: seen float 9.0: give an int"),
        ({"hour": True}, "hour: seen bool True: give an int"),
        ({"hour": 2**63}, "hour: seen int 9223372036854775808: give an int that fits into INT64"),
        ({"hour": 1, "household_id": 7}, "household_id: seen int 7: give a string"),
        ({"hour": 1, "household_id": ["7"]}, "household_id: seen list"),
        ({"hour": 1, "household_id": b"7"}, "household_id: seen bytes b'7': give a string"),
        ({"hour": 1, "household_id": True}, "household_id: seen bool True: give a string"),
        ({"hour": 1, "household_id": np.int64(7)}, "household_id: seen int64 7: give a string"),
        (
            {"hour": 1, "household_id": np.array([["7"], ["8"]])},
            r"household_id: seen ndarray array\(\[\['7'\], \['8'\]",
        ),
        ({"hour": 1, "household_id": "2223\0junk"}, r"household_id: has a NUL character \(str '2223\\x00junk'\)"),
        ({"hour": 1, "recent_items": ["a", "b\0"]}, r"recent_items: has a NUL character .*: give it without"),
        ({"hour": 1, "household_id": "\ud800"}, "household_id: .* valid unicode"),
        ({"hour": 1, "basket_value": "3"}, "basket_value: seen str '3': give a number"),
        ({"hour": 1, "basket_value": [1.0, 2.0]}, "basket_value: seen list"),
        ({"hour": 1, "basket_value": [[1.0]]}, "basket_value: seen list"),
        ({"hour": 1, "basket_value": np.array(3.0)}, "basket_value: seen ndarray"),
        ({"hour": 1, "basket_value": np.bool_(True)}, "basket_value: seen bool_"),
        ({"hour": 1, "basket_value": 10**400}, "basket_value: seen int 1000.*: give a number"),
        ({"hour": 1, "basket_value": 1j}, "basket_value: seen complex"),
        ({"hour": np.float64(9)}, "hour: seen float64 9.0: give an int"),
        ({"hour": [9]}, r"hour: seen list \[9\]: give an int"),
        ({"hour": 1, "style": [1.0]}, "style: .*: give a list of 3 numbers"),
        ({"hour": 1, "style": 1.0}, "style: .*: give a list of 3 numbers"),
        ({"hour": 1, "style": [1.0, "x", 2.0]}, "style: .*: give a list of 3 numbers"),
        ({"hour": 1, "recent_items": "a"}, "recent_items: seen str 'a': give a list of strings"),
        ({"hour": 1, "recent_items": [1]}, "recent_items: seen int 1: give a string"),
        ({"hour": 1, "recent_items": {"a": 1}}, "recent_items: seen dict"),
        ({"hour": 1, "recent_items": [["a"]]}, r"recent_items: seen list \['a'\]: give a string"),
        ({"hour": 1, "recent_items": ["a", math.nan]}, "recent_items: seen float nan: give a string, or null"),
        ({"hour": 1, "recent_items": np.array("a")}, "recent_items: seen ndarray"),
        ({"hour": 1, "recent_items": np.array([["a"]])}, "recent_items: seen ndarray"),
        ("hour", "seen str 'hour': give a mapping of feature names to values"),
        ({"hour": 1, "recent_items": 3}, "recent_items: seen int 3: give a list of strings"),
    ],
)
def test_a_wrong_value_is_refused_naming_request_feature_and_remedy(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^request 1: {message}") as refusal:
        build_tensors(SHOP, [{"hour": 1}, request_])
    assert "\n" not in str(refusal.value)


def test_numpy_s_scalars_are_what_they_hold() -> None:
    request = {"household_id": np.str_("7"), "hour": np.int8(9), "basket_value": np.float64(2), "style": np.arange(3)}
    arrays = build_tensors(SHOP, [request])
    assert {name: arrays[name].tolist() for name in request} == {
        "household_id": [[b"7"]],
        "hour": [[9]],
        "basket_value": [[2.0]],
        "style": [[0.0, 1.0, 2.0]],
    }


def test_a_refusal_counts_the_requests_of_earlier_batches() -> None:
    with pytest.raises(InvalidRequest, match=r"^request 65: hour: is missing"):
        build_tensors(SHOP, [{"hour": 1}, {}], first=64)


@pytest.mark.parametrize("requests", [{"hour": 1}, "hour", iter([{"hour": 1}])])
def test_anything_but_a_list_of_requests_is_refused_before_the_server_is_asked(requests: Any) -> None:
    with RecommendClient() as client, pytest.raises(InvalidRequest, match=r"requests: seen .*: give a list"):
        client.recommend(requests)


def test_the_request_of_the_client_s_docstring_is_one_that_the_default_model_takes() -> None:
    shown = re.search(r"request = (\{.*\})", inspect.getdoc(RecommendClient) or "")
    assert shown is not None
    inputs = read_config(Path(__file__).parents[2] / "model_repository", DEFAULT_MODEL).inputs
    kinds = {"string": "BYTES", "int64": "INT64", "float32": "FP32"}
    model = signature_of(*[(tensor.name, kinds[tensor.dtype], tensor.dims) for tensor in inputs])
    assert build_tensors(model, [ast.literal_eval(shown[1])]).keys() == {tensor.name for tensor in inputs}


def test_an_input_that_no_feature_can_fill_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"mask: input BOOL \[2, 2\]"):
        build_tensors(signature_of(("mask", "BOOL", (2, 2))), [{}])


def test_the_signature_is_read_from_the_json_of_either_protocol() -> None:
    grpc = {"name": "m", "inputs": [{"name": "a", "datatype": "BYTES", "shape": ["-1", "-1"]}], "outputs": []}
    http = {"name": "m", "inputs": [{"name": "a", "datatype": "BYTES", "shape": [-1, -1]}], "outputs": []}
    expected = Signature("m", {"a": TensorSpec("a", "BYTES", (-1,))}, {}, 64)
    assert read_signature(grpc, {"max_batch_size": 64}) == read_signature(http, {"max_batch_size": 64}) == expected
    optional = read_signature(grpc, {"max_batch_size": 64, "input": [{"name": "a", "optional": True}]})
    assert build_tensors(optional, [{}, {"a": None}]) == {}
    assert build_tensors(optional, [{}, {"a": ["x"]}])["a"][:, 0].tolist() == [b"", b"x"]
    with pytest.raises(ModelMismatch, match="m: takes no batches"):
        read_signature(grpc, {})


def test_recorded_rows_need_every_input_but_the_items_to_leave_out() -> None:
    sequence = ("BYTES", (-1,))
    inputs = {name: TensorSpec(name, *sequence) for name in ("recent", "exclude")}
    signature = Signature("retrieve", inputs, {}, 64)
    assert signature.recorded == ("recent",)
    assert build_tensors(signature, [{"recent": ["a"]}])["exclude"].tolist() == [[b""] * 8]


def test_an_optional_int_may_be_missing_and_is_one_that_no_fit_knows() -> None:
    inputs = {"tier": TensorSpec("tier", "INT64", (1,)), "hour": TensorSpec("hour", "INT64", (1,))}
    parameters = {"optional": {"string_value": "tier,city"}, "user_key": {"string_value": "user_id"}}
    signature = Signature("recommend_stored", inputs, {}, 64, frozenset({"tier", "city"}), "user_id")
    metadata = {"name": "recommend_stored", "inputs": [], "outputs": []}
    read = read_signature(metadata, {"max_batch_size": 64, "parameters": parameters})
    assert (read.optional, read.user_key) == (signature.optional, signature.user_key)
    assert build_tensors(signature, [{"hour": 1}, {"hour": 2, "tier": 3}])["tier"].tolist() == [[-(2**63)], [3]]
    with pytest.raises(InvalidRequest, match="hour: is missing"):
        build_tensors(signature, [{"tier": 3}])


def test_a_recorded_row_has_its_user_if_the_model_asks_for_it() -> None:
    inputs = {name: TensorSpec(name, "BYTES", (1,)) for name in ("user_id", "city", "device")}
    asking = Signature("recommend_stored", inputs, {}, 64, frozenset({"city"}), "user_id")
    row = RecordedRow({"city": "Łódź", "device": "web"}, user="u7")
    assert asking.recorded == ("city", "device", "user")
    assert row.request(asking) == {"city": "Łódź", "device": "web", "user_id": "u7"}
    assert row.request(asking, required_only=True) == {"device": "web", "user_id": "u7"}
    assert RecordedRow({"user_id": "own"}, user="u7").request(asking) == {"user_id": "own"}
    assert row.request(Signature("recommend", inputs, {}, 64), required_only=True) == row.features
