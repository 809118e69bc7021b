"""Both families in one repository on the real server: the two stages give torch's answers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc

from client.recommend_client import RecommendClient
from export.data.golden import Row, request_tensors
from export.families.retrieve_and_rank.plan import RETRIEVE_AND_RANK
from serving.server import run_triton
from tests.integration.served import Served, as_inputs
from tests.two_stages import RETRIEVED, TOP_K, repository
from tests.two_tower import EXPORTS


@pytest.fixture(scope="module", params=EXPORTS, ids="-".join)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    data = request.getfixturevalue("compiled_data")
    folder = repository(data, *request.param)
    with run_triton(folder, grace_s=0) as server, grpc.InferenceServerClient(server.grpc_target) as client:
        yield Served(server, client, data, folder, "retrieve_and_rank")


def inputs(served: Served, rows: list[Row]) -> list[Any]:
    nothing = np.full((len(rows), 1), b"", dtype=np.object_)
    return as_inputs({**request_tensors(served.features, rows), "exclude": nothing})


def test_all_models_of_both_families_are_ready_and_golden_rows_get_torch_s_answers(served: Served) -> None:
    index = served.client.get_model_repository_index()
    assert {model.name: model.state for model in index.models} == dict.fromkeys(served.models, "READY")
    assert {"recommend", "retrieve", RETRIEVE_AND_RANK} < served.models
    rows = served.golden.rows
    batches = [rows[start : start + 16] for start in range(0, len(rows), 16)]
    for chain in sorted(model for model in served.models if model.startswith(RETRIEVE_AND_RANK)):
        answers = [served.client.infer(chain, inputs(served, batch)) for batch in batches]
        served.assert_torch_s(list(range(len(rows))), answers)


def test_requests_of_many_lengths_at_once_get_the_answers_that_they_get_alone(
    served: Served, all_at_once: Callable[..., list[Any]]
) -> None:
    requests = [inputs(served, [row]) for row in served.golden.rows[12:28]]
    alone = [served.client.infer(RETRIEVE_AND_RANK, each) for each in requests]
    for expected, (found, error) in zip(alone, all_at_once(served.client, RETRIEVE_AND_RANK, requests), strict=True):
        assert error is None
        np.testing.assert_allclose(found.as_numpy("score"), expected.as_numpy("score"), atol=1e-5)


def test_the_index_gives_the_ranker_more_than_retrieve_answers_with(served: Served) -> None:
    users = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    tensors = {"user_vector": users, "exclude.encoded": np.zeros((3, 1), dtype=np.int64)}
    answer = served.client.infer("item_index", as_inputs(tensors))
    candidates = answer.as_numpy("candidates")
    assert candidates.shape == (3, RETRIEVED)
    assert candidates[:, :TOP_K].tolist() == answer.as_numpy("item_ids").tolist()


def test_the_client_calls_the_chain_with_what_it_calls_retrieve_with(served: Served) -> None:
    ints: Row = {f.name: 99 for f in served.features if getattr(f, "dtype", "") == "int"}
    with RecommendClient(served.server.grpc_url, RETRIEVE_AND_RANK) as client:
        [first] = client.recommend([ints])
        [second] = client.recommend([{**ints, "exclude": first.item_ids[:2]}])
    assert len(first.item_ids) == TOP_K
    assert set(second.item_ids).isdisjoint(first.item_ids[:2])
