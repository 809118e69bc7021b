"""A ranker without offline features, or without online ones, is exported and equals torch in every hop."""

from pathlib import Path

import pytest

from export.commands.any_family import Wanted, export_any, verify_any
from export.commands.embeddings import export_embeddings
from export.errors import GraphError, RepositoryError
from export.families.offline_online.repository import export_repository
from export.families.offline_online.stored.repository import replace_store
from export.repository.options import Options
from export.triton.plan import Format
from tests import orders, orders_exported

ENSEMBLES = {"recommend", "recommend_nvtabular"}
MODELS = ENSEMBLES | {"preprocess", "preprocess_nvtabular", "online_ranker", "decode"}
STORED = {"preprocess_offline", "offline_state", "user_embedding", "recommend_stored"}
OPTIONS = {"top_k": orders_exported.TOP_K, "max_batch_size": 16}


@pytest.fixture(scope="module", params=[*orders.ONLINE, *orders.OFFLINE])
def fitted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, orders_data: Path
) -> tuple[str, Path]:
    if request.param == "orders":
        return request.param, orders_data
    return request.param, orders.fitted_orders(tmp_path_factory.mktemp(request.param), request.param)


def models_of(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/config.pbtxt")}


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_every_hop_of_a_schema_with_one_stage_is_torch_s(
    fitted: tuple[str, Path], format: Format, tmp_path: Path
) -> None:
    name, data = fitted
    found = export_repository(
        orders_exported.ranker(data), data, tmp_path / "repository", Options(**OPTIONS, format=format)
    )
    expected = MODELS | ({"recommend_fused"} if format == "onnx" else set())
    if name in orders.OFFLINE:
        expected |= {"offline_encoder", *STORED, "preprocess_online"}
        assert "not_stored" not in found
    else:
        assert "has no offline features" in found["not_stored"]
    assert models_of(tmp_path / "repository") == expected
    assert found["differences"].keys() == expected | {"torch_parts", "preprocess_recorded"}
    assert max(found["differences"].values()) <= 1e-5
    assert found["differences"]["torch_parts"] == 0
    assert verify_any(tmp_path / "repository", data)["differences"] == found["differences"]


def test_a_ranker_that_reads_nothing_online_is_served_by_the_state_alone(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = orders.fitted_orders(tmp_path_factory.mktemp("offline"), "offline_only")
    options = Options(**OPTIONS, exclude_seen=False, reference_path=False)
    found = export_repository(orders_exported.ranker(data), data, tmp_path / "repository", options)
    assert "preprocess_online" not in models_of(tmp_path / "repository")
    assert found["differences"].keys() > STORED
    assert max(found["differences"].values()) <= 1e-5


def test_an_online_ranker_ranks_what_towers_retrieve(orders_data: Path) -> None:
    result = verify_any(orders_exported.two_stages(orders_data), orders_data)
    assert result["differences"].keys() == {"candidate_ranker", "retrieve_and_rank", "retrieve_and_rank_fused"}
    for part in (result, result["two_tower"], result["offline_online"]):
        assert max(part["differences"].values()) <= 1e-5
    assert "offline_encoder" not in models_of(orders_exported.two_stages(orders_data))


def test_stored_embeddings_of_a_schema_without_offline_features_are_refused_by_name(
    orders_data: Path, tmp_path: Path
) -> None:
    wanted = Wanted(str(orders_exported.ranker(orders_data)), stored=True)
    with pytest.raises(GraphError, match=r"--stored-embeddings: schema orders has no offline features.*leave it out"):
        export_any(wanted, orders_data, tmp_path / "repository", OPTIONS)
    assert not (tmp_path / "repository").exists()
    with pytest.raises(RepositoryError, match="schema orders has no offline features"):
        replace_store(orders_exported.two_stages(orders_data), tmp_path / "users.parquet")


def test_embeddings_of_users_are_the_towers_or_refused(orders_data: Path, tmp_path: Path) -> None:
    repository = orders_exported.two_stages(orders_data)
    with pytest.raises(RepositoryError, match=r"schema orders has no offline features.*two_tower"):
        export_embeddings(repository, orders_data, tmp_path / "users.parquet", family="offline_online")
    assert not list(tmp_path.iterdir())
    written = export_embeddings(repository, orders_data, tmp_path / "users.parquet", family="two_tower")
    assert written["users"] > 100
