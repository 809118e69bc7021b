"""A ranker without offline features, or without online ones, is exported and equals torch in every hop."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export.commands.embeddings import export_embeddings
from export.commands.stored import replace_stored
from export.errors import GraphError, RepositoryError
from export.triton.plan import Format
from tests import exported, orders, orders_exported
from tests.once import made_once

CHAIN = {"preprocess", "online_ranker", "decode", "recommend"}
NVTABULAR = {"preprocess_nvtabular", "recommend_nvtabular"}
STORED = {"preprocess_offline", "offline_state", "user_embedding", "recommend_stored"}


@pytest.fixture
def orders_folder(run_folder: Path, orders_data: Path) -> Callable[[str], Path]:
    """Return the output folder of a fit of a schema of `tests.orders`, fitted once per run of the suite."""

    def fitted(name: str) -> Path:
        if name == "orders":
            return orders_data
        return made_once(run_folder / name, lambda folder: orders.fitted_orders(folder, name)) / "data"

    return fitted


def models_of(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/config.pbtxt")}


def require_torch_s(found: dict[str, Any], models: set[str]) -> None:
    """All models, and no others, have hops that are torch's; the workflow is held on recorded rows too."""
    assert found["differences"].keys() == models | {"torch_parts", "preprocess_recorded"}
    assert max(found["differences"].values()) <= 1e-5
    assert found["differences"]["torch_parts"] == 0


def test_a_ranker_without_offline_features_stands_with_towers_that_retrieve_for_it(orders_data: Path) -> None:
    folder = orders_exported.two_stages(orders_data)
    require_torch_s(json.loads((folder / "verify.json").read_text()), models_of(folder))
    assert models_of(folder) > CHAIN | NVTABULAR | {"recommend_fused", "candidate_ranker", "retrieve_and_rank"}
    assert not models_of(folder) & (STORED | {"offline_encoder"})


@pytest.mark.parametrize(
    ("name", "format", "exclude_seen", "expected"),
    [
        ("orders", "torchscript", True, CHAIN),
        ("one_feature", "onnx", True, CHAIN | {"recommend_fused"}),
        ("offline_only", "torchscript", True, CHAIN | STORED | {"offline_encoder", "preprocess_online"}),
        # Nothing online is read: no `preprocess_online`.
        ("offline_only", "onnx", False, CHAIN | STORED | {"offline_encoder", "recommend_fused"}),
    ],
)
def test_every_hop_of_a_schema_with_one_stage_is_torch_s(
    orders_folder: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    format: Format,
    exclude_seen: bool,
    expected: set[str],
) -> None:
    data, folder = orders_folder(name), tmp_path / "repository"
    shared = {"top_k": orders_exported.TOP_K, "exclude_seen": exclude_seen, "reference_path": False}
    found = exported.export(orders_exported.ranker(data), data, folder, format=format, **shared)
    assert models_of(folder) == expected
    require_torch_s(found, expected)
    told = f"naiad: no recommend_stored: schema {name} has no offline features"
    assert (told in capsys.readouterr().err) == (name in orders.ONLINE)


def test_stored_embeddings_of_a_schema_without_offline_features_are_refused_by_name(
    orders_data: Path, tmp_path: Path
) -> None:
    model = orders_exported.ranker(orders_data)
    with pytest.raises(GraphError, match=r"--stored-embeddings: schema orders has no offline features.*leave it out"):
        exported.export(model, orders_data, tmp_path / "repository", {"stored_embeddings": True}, top_k=4)
    assert not (tmp_path / "repository").exists()
    with pytest.raises(RepositoryError, match="schema orders has no offline features"):
        replace_stored(orders_exported.two_stages(orders_data), tmp_path / "users.parquet")


def test_embeddings_of_users_are_the_towers_or_refused(orders_data: Path, tmp_path: Path) -> None:
    repository = orders_exported.two_stages(orders_data)
    with pytest.raises(RepositoryError, match=r"schema orders has no offline features.*a model that retrieves"):
        export_embeddings(repository, orders_data, tmp_path / "users.parquet", family="offline_online")
    assert not list(tmp_path.iterdir())
    written = export_embeddings(repository, orders_data, tmp_path / "users.parquet", family="two_tower")
    assert written["users"] > 100
