"""A two-tower repository on the real server: on every chain its answers are torch's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc

from client.recommend_client import RecommendClient
from export.data.golden import Row, request_tensors
from export.families.two_tower.plan import ITEM_INDEX, MATCH, RETRIEVE
from serving.server import run_triton
from tests.integration.described import absences, described
from tests.integration.served import Served, as_inputs
from tests.two_tower import EXPORTS, repository


@pytest.fixture(scope="module", params=EXPORTS, ids="-".join)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    data = request.getfixturevalue("compiled_data")
    folder = repository(data, *request.param)
    with run_triton(folder, grace_s=0) as server, grpc.InferenceServerClient(server.grpc_target) as client:
        yield Served(server, client, data, folder, "two_tower")


def chains(served: Served) -> list[str]:
    return sorted(model for model in served.models if model.startswith("retrieve"))


def inputs(served: Served, rows: list[Row], exclude: tuple[str, ...] = ("",)) -> list[Any]:
    items = np.array([[item.encode() for item in exclude]] * len(rows), dtype=np.object_)
    return as_inputs({**request_tensors(served.features, rows), "exclude": items})


def test_all_models_are_ready_and_golden_rows_get_torch_s_answers(served: Served) -> None:
    index = served.client.get_model_repository_index()
    assert {model.name: model.state for model in index.models} == dict.fromkeys(served.models, "READY")
    rows = served.golden.rows
    for chain in chains(served):
        answers = [served.client.infer(chain, inputs(served, rows[i : i + 16])) for i in range(0, len(rows), 16)]
        served.assert_torch_s(list(range(len(rows))), answers)


def test_requests_of_many_lengths_at_once_get_the_answers_that_they_get_alone(
    served: Served, all_at_once: Callable[..., list[Any]]
) -> None:
    rows = served.golden.rows[12:28]
    requests = [inputs(served, [row], tuple(served.items[: 1 + place % 5])) for place, row in enumerate(rows)]
    for chain in chains(served):
        alone = [served.client.infer(chain, each) for each in requests]
        for expected, (found, error) in zip(alone, all_at_once(served.client, chain, requests), strict=True):
            assert error is None
            np.testing.assert_allclose(found.as_numpy("score"), expected.as_numpy("score"), atol=1e-5)


def test_the_client_retrieves_for_an_unknown_user_and_leaves_out_the_excluded_items(
    served: Served,
) -> None:
    ints: Row = {f.name: 99 for f in served.features if getattr(f, "dtype", "") == "int"}
    left_out = served.items[2:4]
    with RecommendClient(served.server.grpc_url, RETRIEVE) as client:
        everything, rest = client.recommend([ints, {**ints, "exclude": left_out}])
    assert set(everything.item_ids) == set(served.items)
    assert set(rest.item_ids) == set(served.items) - set(left_out)
    assert np.isfinite(everything.scores).all()


def test_what_describe_says_of_every_chain_is_true(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for chain in chains(served):
        said = described(served.server, chain, tmp_path, capsys)
        assert said["request"]["exclude"] == []
        assert absences(said)["exclude"] == "empty: no item is left out of the answer"


def test_a_pair_scores_what_the_chain_scores_it_and_0_where_an_id_is_unknown(served: Served) -> None:
    pairs = {"user_id": ["usér-1", "nobody", ""], "item_id": [served.items[0], served.items[0], ""]}
    tensors = {name: np.array([[each.encode()] for each in ids], dtype=np.object_) for name, ids in pairs.items()}
    score = served.client.infer(MATCH, as_inputs(tensors)).as_numpy("score")
    assert -1.001 <= score[0, 0] <= 1.001
    assert score[0, 0] != 0
    assert score[1:, 0].tolist() == [0, 0]


def test_a_user_vector_of_another_width_is_refused_and_the_index_goes_on(served: Served) -> None:
    wide = {"user_vector": np.zeros((1, 5), dtype=np.float32), "exclude.encoded": np.zeros((1, 1), dtype=np.int64)}
    with pytest.raises(grpc.InferenceServerException, match="unexpected shape"):
        served.client.infer(ITEM_INDEX, as_inputs(wide))
    assert served.client.is_model_ready(ITEM_INDEX)
