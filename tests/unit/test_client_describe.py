"""What `client describe` says of inputs that the exported repositories do not all have."""

from __future__ import annotations

import json
import shlex

from client.address import http_url
from client.describe import curl_line, describe_features, describe_outputs, example_request, http_body, infer_url
from client.request_tensors import build_tensors
from client.signature import Signature, TensorSpec, newest_kept


def signature(*inputs: TensorSpec) -> Signature:
    outputs = {"item_id": TensorSpec("item_id", "BYTES", (9,)), "mask": TensorSpec("mask", "BOOL", (1,))}
    return Signature("shop", {spec.name: spec for spec in inputs}, outputs, 64)


SHOP = signature(
    TensorSpec("user's id", "BYTES", (1,)),
    TensorSpec("hour", "INT64", (1,)),
    TensorSpec("style", "FP32", (3,)),
    TensorSpec("seen", "BYTES", (-1,)),
    TensorSpec("exclude", "BYTES", (-1,)),
)
MEMBER = signature(
    TensorSpec("items", "INT64", (-1,)), TensorSpec("table", "FP32", (-1, 2)), TensorSpec("on", "BOOL", (1,))
)


def test_the_example_request_is_one_that_the_client_takes() -> None:
    request = example_request(SHOP)
    assert build_tensors(SHOP, [request]).keys() == SHOP.inputs.keys()
    assert request["exclude"] == []


def test_the_curl_line_is_one_that_a_shell_takes_and_its_tensors_have_their_declared_shapes() -> None:
    url = infer_url("http://127.0.0.1:8000", "my model")
    words = shlex.split(curl_line(url, http_body(SHOP)))
    assert words[:4] == ["curl", "-s", "http://127.0.0.1:8000/v2/models/my%20model/infer", "-d"]
    shapes = {tensor["name"]: (tensor["shape"], len(tensor["data"])) for tensor in json.loads(words[4])["inputs"]}
    assert shapes == {
        "user's id": ([1, 1], 1),
        "hour": ([1, 1], 1),
        "style": ([1, 3], 3),
        "seen": ([1, 2], 2),
        "exclude": ([1, 0], 0),
    }


def test_the_sequences_that_can_be_shown_are_those_of_what_a_user_did() -> None:
    assert SHOP.histories == ("seen",)
    assert MEMBER.histories == ()


def test_tensors_that_are_not_request_features_are_described_too() -> None:
    kinds = [feature.kind for feature in describe_features(MEMBER, {})]
    assert kinds == ["list of ints", "vector of 2 numbers", "bool"]
    assert describe_outputs(MEMBER) == {"item_id": "list of 9 strings, best first", "mask": "bool"}
    assert [tensor["shape"] for tensor in http_body(MEMBER)["inputs"]] == [[1, 1], [1, 1, 2], [1, 1]]


def test_how_much_of_a_sequence_is_kept_is_read_from_parameters_and_from_the_warmup_of_our_own_graphs() -> None:
    names = {"seen__0": "seen", "exclude": "exclude"}
    inputs = [{"name": name, "dims": ["-1"]} for name in names]
    warmup = [{"inputs": {"seen__0": {"dims": ["50"]}, "exclude": {"dims": [1]}, "other": {"dims": [9]}}}]
    ours = {"naiad_version": {"string_value": "0.2.0"}}
    assert newest_kept({"input": inputs, "model_warmup": warmup, "parameters": ours}, names) == {"seen": 50}
    assert newest_kept({"input": inputs, "model_warmup": warmup}, names) == {}
    stated = {"max_length.seen__0": {"string_value": "8"}}
    assert newest_kept({"parameters": stated}, names) == {"seen": 8}


def test_the_http_url_of_a_grpc_one_has_triton_s_default_port() -> None:
    assert http_url("grpc://127.0.0.1:8001") == "http://127.0.0.1:8000"
    assert http_url("grpc://[::1]:9") == "http://[::1]:8000"
    assert http_url("http://shop:81/") == "http://shop:81"
