"""Retrieval on the real server, alone and in front of a ranker: what no other family has."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc

from client.recommend_client import RecommendClient
from export.data.golden import Row
from export.families.retrieve_and_rank.plan import RETRIEVE_AND_RANK
from export.families.two_tower.plan import ITEM_INDEX, MATCH, RETRIEVE
from tests.families import FORMATS, REPOSITORIES
from tests.integration.described import absences, described
from tests.integration.served import Served, as_inputs
from tests.two_stages import RETRIEVED, TOP_K


@pytest.fixture(params=FORMATS)
def served(request: pytest.FixtureRequest, compiled_data: Path, serve: Callable[..., Served]) -> Served:
    return serve(REPOSITORIES["two_tower"](compiled_data, request.param), compiled_data, "two_tower")


def test_the_client_retrieves_for_an_unknown_user_and_leaves_out_the_excluded_items(served: Served) -> None:
    ints: Row = {f.name: 99 for f in served.features if getattr(f, "dtype", "") == "int"}
    for chain in (RETRIEVE, RETRIEVE_AND_RANK):
        with RecommendClient(served.server.grpc_url, chain) as client:
            [first] = client.recommend([ints])
            left_out = first.item_ids[:2]
            same, rest = client.recommend([ints, {**ints, "exclude": left_out}])
        assert len(first.item_ids) == len(rest.item_ids) == TOP_K
        assert same.item_ids == first.item_ids
        assert set(rest.item_ids) <= set(served.items) - set(left_out)
        assert np.isfinite(rest.scores).all()


def test_what_describe_says_of_every_chain_is_true(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for chain in sorted(model for model in served.models if model.startswith(RETRIEVE)):
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


def test_the_index_gives_the_ranker_more_than_retrieve_answers_with(served: Served) -> None:
    users = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    tensors = {"user_vector": users, "exclude.encoded": np.zeros((3, 1), dtype=np.int64)}
    answer = served.client.infer(ITEM_INDEX, as_inputs(tensors))
    candidates = answer.as_numpy("candidates")
    assert candidates.shape == (3, RETRIEVED)
    assert candidates[:, :TOP_K].tolist() == answer.as_numpy("item_ids").tolist()
