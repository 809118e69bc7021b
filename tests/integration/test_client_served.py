"""The client against a real Triton that serves a model with the interface of `recommend`."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from client import (
    InvalidRequest,
    ModelMismatch,
    Recommendation,
    RecommendClient,
    RequestRefused,
    RequestTimeout,
    ServerUnavailable,
    UnknownModel,
)
from client.request_tensors import build_tensors
from serving.server import TritonServer, run_triton
from tests.integration.client_shop import SHOP, K, write_model


def test_grpc_and_http_give_the_same_ranked_raw_ids(shop: TritonServer) -> None:
    requests = [{"hour": n, "recent_items": ["ü7", "ü3", "ü3"], "basket_value": 0.5} for n in range(9)]
    with RecommendClient(shop.grpc_url) as grpc, RecommendClient(shop.http_url) as http:
        answers = grpc.recommend(requests)
        assert answers == http.recommend(requests)
    assert len(answers) == 9, "more than one batch of four"
    assert answers[0].item_ids[:3] == ("ü3", "ü7", "ü0")
    assert answers[0].scores[:3] == pytest.approx((1.97, 1.43, 0.5))


def test_each_request_of_a_batch_gets_its_own_answer_whatever_its_history_is_padded_to(url: str) -> None:
    requests = [{"hour": 1, "recent_items": [f"ü{n}"] * (n + 1)} for n in range(20)]
    with RecommendClient(url) as client:
        together = client.recommend(requests)
        alone = [client.recommend([request])[0] for request in requests]
    assert together == alone
    assert [answer.item_ids[0] for answer in together] == [f"ü{n}" for n in range(20)]


def test_empty_slots_are_left_out_of_the_answer(url: str) -> None:
    with RecommendClient(url) as client:
        [answer] = client.recommend([{"household_id": "nobody", "hour": 1}])
        assert client.recommend([]) == []
    assert answer.item_ids == ("ü0", "ü1", "ü2")
    assert len(answer.scores) == 3


def test_ids_that_are_not_utf8_are_shown_and_fail_nothing(url: str) -> None:
    with RecommendClient(url) as client:
        [answer] = client.recommend([{"household_id": "bytes", "hour": 1}])
    assert answer.item_ids[:2] == ("ü\ufffd", "ü1")


def test_outputs_that_no_request_named_are_returned_by_name(url: str) -> None:
    with RecommendClient(url) as client:
        arrays = build_tensors(client.signature, [{"hour": 1}])
        every = client.infer(SHOP, arrays)
        named = {name: client.infer(SHOP, arrays, [name])[name] for name in ("score", "item_id")}
    assert every.keys() == named.keys()
    for name, array in named.items():
        np.testing.assert_array_equal(every[name], array)


def test_an_unknown_model_is_named_by_its_own_error(url: str) -> None:
    with RecommendClient(url, "nope") as client, pytest.raises(UnknownModel, match="no model 'nope' ready"):
        client.recommend([{"hour": 1}])
    with RecommendClient(url) as client, pytest.raises(UnknownModel, match="'nope'"):
        client.infer("nope", {"hour": np.array([[1]])})


def test_what_the_server_refuses_is_refused_for_that_request_alone(url: str) -> None:
    with RecommendClient(url) as client:
        arrays = {"hour": np.array([[1.0]], dtype=np.float32)}
        with pytest.raises(RequestRefused) as refusal:
            client.infer(SHOP, arrays)
        assert not isinstance(refusal.value, UnknownModel)
        with pytest.raises(RequestRefused, match="the shop is shut at hour 98"):
            client.recommend([{"hour": 98}])
        assert client.recommend([{"hour": 1}])[0].item_ids[0] == "ü0"


def test_bad_requests_are_refused_before_they_are_sent(url: str) -> None:
    with RecommendClient(url) as client:
        with pytest.raises(InvalidRequest, match=r"request 1: .* no feature 'hours': it takes household_id, hour,"):
            client.recommend([{"hour": 1}, {"hours": 1}])
        with pytest.raises(InvalidRequest, match="request 0: hour: is missing"):
            client.recommend([{"household_id": "1"}])
        with pytest.raises(InvalidRequest, match="request 5: hour: is missing"):
            client.recommend([*[{"hour": 1}] * 5, {}])


def test_an_answer_that_takes_too_long_is_a_timeout_and_the_next_one_is_fine(url: str) -> None:
    with RecommendClient(url, timeout_s=0.5, retries=5) as client:
        _ = client.signature
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"no answer within 0\.5 s"):
            client.recommend([{"hour": 97}])
        assert time.monotonic() - started < 1.4, "timeouts are not repeated"
    with RecommendClient(url) as client:
        assert client.recommend([{"hour": 1}])


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_dead_server_is_unavailable_after_the_retries(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with RecommendClient(f"{scheme}://127.0.0.1:{port}", retries=2) as client:
        started = time.monotonic()
        with pytest.raises(ServerUnavailable, match=f"127.0.0.1:{port} does not answer"):
            client.is_ready()
    assert 0.14 < time.monotonic() - started < 5, "two pauses, of about 0.1 s and 0.2 s"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_goes_and_comes_back_is_waited_for(scheme: str, tmp_path: Path) -> None:
    write_model(tmp_path, SHOP, K)
    with run_triton(tmp_path, grace_s=1.0) as gone:
        address = gone.grpc_url if scheme == "grpc" else gone.http_url
        ports = {"grpc_port": gone.ports.grpc, "http_port": gone.ports.http}
        impatient = RecommendClient(address, retries=0)
        first = impatient.recommend([{"hour": 1}])
    with pytest.raises(ServerUnavailable):
        impatient.recommend([{"hour": 1}])

    def ask_patiently() -> list[Recommendation]:
        with RecommendClient(address, retries=12) as patient:
            return patient.recommend([{"hour": 1}])

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask_patiently)
        with run_triton(tmp_path, **ports, grace_s=1.0):
            assert answer.result(timeout=30) == first
            assert impatient.recommend([{"hour": 1}]) == first
            impatient.close()


def test_a_model_that_is_not_a_recommender_is_named(url: str) -> None:
    with (
        RecommendClient(url, "no_score") as client,
        pytest.raises(ModelMismatch, match="returns no score but item_id, points"),
    ):
        client.recommend([{"hour": 1}])
    with RecommendClient(url, "no_batches") as client, pytest.raises(ModelMismatch, match="takes no batches"):
        client.recommend([{"hour": 1}])
