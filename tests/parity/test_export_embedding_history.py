"""`export embeddings` to a warehouse: runs of both families, equal to torch, whole or not there."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from export.__main__ import main
from export.commands.embeddings import export_embeddings
from export.commands.items import refresh
from export.data.golden import read_item_ids
from export.data.latest_requests import latest_rows
from export.data.saved_workflow import SavedWorkflow
from export.embeddings import history as embedding_history
from export.errors import RepositoryError
from export.families.offline_online.plan import RankingPlan
from export.families.offline_online.reference import whole_answers
from export.parity.answers import model_features
from export.repository.encoder_digest import encoder_digest
from preprocessing.schema import read_fitted
from stage.parquet import ParquetError
from tests import exported, two_stages, two_tower
from tests.latest import latest_requests
from tests.vectors import by_id
from training.checkpoint import load
from training.families.offline_online.model import OfflineOnline
from training.families.two_tower.model import TwoTower
from warehouse.errors import PartitionError
from warehouse.history import open_warehouse

TOLERANCE = 1e-4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of a warehouse that is not there yet, nor is its folder."""
    return tmp_path / "new" / "history.duckdb"


def stored(file: Path, kind: str, run: str) -> dict[str, np.ndarray]:
    with open_warehouse(str(file), read_only=True) as warehouse:
        return by_id(warehouse.read(kind, run))


def test_a_run_of_the_two_stage_family_holds_torch_s_user_embeddings(compiled_data: Path, file: Path) -> None:
    folder = exported.repository(compiled_data, "onnx")
    result = export_embeddings(folder, compiled_data, file, run="may", batch_size=7)
    latest = latest_requests(compiled_data)
    assert (result["users"], result["items"], result["width"]) == (len(latest), 0, exported.CONFIG.dim)
    schema = read_fitted(compiled_data).schema_
    encoded = SavedWorkflow.of_requests(compiled_data).encode(schema.request_features, list(latest.values()))
    with torch.no_grad():
        whole = load(exported.checkpoint(compiled_data), OfflineOnline)
        expected = whole_answers(whole, RankingPlan(schema, exported.CONFIG.dim), encoded)["user_embedding"]
    found = stored(file, "user", "may")
    assert found.keys() == latest.keys()
    np.testing.assert_allclose([found[user] for user in latest], expected, atol=TOLERANCE)
    with open_warehouse(str(file), read_only=True) as warehouse:
        [(partition, whole_run)] = warehouse.partitions()
    assert whole_run
    assert (partition.experiment, partition.kind) == ("synthetic", "user")
    assert encoder_digest(folder, "offline_encoder").startswith(partition.release)
    assert result["release"] == partition.release


@pytest.mark.parametrize(("format", "index"), two_tower.EXPORTS)
def test_a_run_of_two_towers_holds_torch_s_user_vectors_and_the_index_s_item_vectors(
    compiled_data: Path, file: Path, format: str, index: str
) -> None:
    folder = two_tower.repository(compiled_data, format, index)
    result = export_embeddings(folder, compiled_data, f"duckdb://{file}", experiment="shop", run="may", batch_size=7)
    latest, ids = latest_requests(compiled_data), read_item_ids(compiled_data)
    schema = read_fitted(compiled_data).schema_
    encoded = SavedWorkflow.of_requests(compiled_data).encode(schema.request_features, list(latest.values()))
    whole = load(two_tower.checkpoint(compiled_data), TwoTower)
    with torch.no_grad():
        of_users, of_items = whole.user(model_features(schema.request_features, encoded)), whole.catalogue()
    users, items = stored(file, "user", "may"), stored(file, "item", "may")
    assert users.keys() == latest.keys()
    np.testing.assert_allclose([users[user] for user in latest], of_users, atol=TOLERANCE)
    assert items.keys() == set(ids[3:])
    served = np.load(folder / "item_vectors.npy")
    assert [items[item].tobytes() for item in ids[3:]] == [row.tobytes() for row in served[3:]]
    np.testing.assert_allclose([items[item] for item in ids[3:]], of_items[3:], atol=TOLERANCE)
    assert (result["experiment"], result["run"], result["items"]) == ("shop", "may", len(items))
    user_release, item_release = result["release"].split("-")
    assert encoder_digest(folder, "user_tower").startswith(user_release)
    assert encoder_digest(folder, "item_tower").startswith(item_release)


def test_neighbours_and_drift_are_asked_of_runs_side_by_side(compiled_data: Path, file: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(two_tower.repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    data = shutil.copytree(compiled_data, tmp_path / "data")
    export_embeddings(folder, data, file, run="may")
    table = pd.read_parquet(data / "items.parquet")
    table.loc[table["encoded_id"] == 3, "price"] = 900.0
    table.to_parquet(data / "items.parquet", index=False)
    before = np.load(folder / "item_vectors.npy")
    refresh(folder, data)
    export_embeddings(folder, data, file, run="june")
    after, ids = np.load(folder / "item_vectors.npy"), read_item_ids(data)
    with open_warehouse(str(file), read_only=True) as warehouse:
        assert [(each.run, each.kind, whole) for each, whole in warehouse.partitions()] == [
            (run, kind, True) for run in ("may", "june") for kind in ("item", "user")
        ]
        near = warehouse.neighbours("item", ids[5], k=4, run="may")
        drift = warehouse.drift("item", ids[3], "may", "june")
        still = warehouse.drift("user", None, "may", "june")
    closest = np.argsort(before[3:] @ -before[5])[1:5] + 3
    assert [each.id for each in near] == [ids[place] for place in closest]
    assert drift.distance == pytest.approx(1 - float(before[3] @ after[3]), abs=TOLERANCE)
    assert drift.distance > 0.01
    assert drift.most[0].id == ids[3]
    assert still.most[0].distance < TOLERANCE


def test_a_repository_of_both_families_is_asked_whose_vectors(compiled_data: Path, file: Path) -> None:
    folder = two_stages.repository(compiled_data, "onnx", "exact")
    with pytest.raises(RepositoryError, match="has the families offline_online and two_tower, say whose with --family"):
        export_embeddings(folder, compiled_data, file)
    ranking = export_embeddings(folder, compiled_data, file, family="offline_online", run="may")
    retrieval = export_embeddings(folder, compiled_data, file, family="two_tower", run="june")
    assert (ranking["items"], list(ranking["encoder_digest"])) == (0, ["offline_encoder"])
    assert (retrieval["items"] > 0, list(retrieval["encoder_digest"])) == (True, ["user_tower", "item_tower"])


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_export_that_fails_half_way_leaves_the_earlier_run_whole(
    compiled_data: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    folder = two_tower.repository(compiled_data, "onnx", "exact")
    export_embeddings(folder, compiled_data, file, run="may")
    before = {kind: stored(file, kind, "may") for kind in ("user", "item")}
    data = shutil.copytree(compiled_data, tmp_path / "data")
    torn = latest_rows(data)[-1].file
    torn.write_bytes(torn.read_bytes()[:-100])
    monkeypatch.setattr(embedding_history, "BATCH_ROWS", 2)
    with pytest.raises(ParquetError, match=f"^{re.escape(str(torn))}: cannot be read as Parquet"):
        export_embeddings(folder, data, file, run="may" if overwrite else "june", batch_size=2, overwrite=overwrite)
    with open_warehouse(str(file), read_only=True) as warehouse:
        assert [(each.run, whole) for each, whole in warehouse.partitions()] == [("may", True), ("may", True)]
    for kind, vectors in before.items():
        after = stored(file, kind, "may")
        assert {id_: row.tobytes() for id_, row in after.items()} == {i: r.tobytes() for i, r in vectors.items()}


def test_a_run_is_written_again_only_if_it_may_be(compiled_data: Path, file: Path) -> None:
    folder = exported.repository(compiled_data, "onnx")
    export_embeddings(folder, compiled_data, file, run="may")
    with pytest.raises(PartitionError, match=r"run 'may' of experiment 'synthetic' is there already in duckdb://"):
        export_embeddings(folder, compiled_data, file, run="may")
    export_embeddings(folder, compiled_data, file, run="may", overwrite=True)
    with open_warehouse(str(file), read_only=True) as warehouse:
        assert len(warehouse.partitions()) == 1


def test_a_run_is_named_by_the_registry_or_by_the_time(compiled_data: Path, file: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported.repository(compiled_data, "onnx"), tmp_path / "repository")
    first, second = (export_embeddings(folder, compiled_data, file)["run"] for _ in range(2))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first)
    assert first < second
    registered = {"name": "shop", "version": "1", "alias": "champion", "run": "98872358a8d14337a40f6c417b10fd8e"}
    verify = json.loads((folder / "verify.json").read_text())
    verify["families"]["offline_online"]["registered_model"] = registered
    (folder / "verify.json").write_text(json.dumps(verify))
    assert export_embeddings(folder, compiled_data, file)["run"] == registered["run"]
    assert export_embeddings(folder, compiled_data, file, run="mine")["run"] == "mine"


def test_the_command_ends_with_a_line_of_json(
    compiled_data: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = two_tower.repository(compiled_data, "onnx", "exact")
    command = ["export", "embeddings", "--repository", str(folder), "--data", str(compiled_data)]
    command += ["--output", str(file), "--experiment", "shop", "--run", "may"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"output": f"duckdb://{file}", "experiment": "shop", "run": "may", "width": 12}.items() <= result.items()
    assert result["users"] > 0 < result["items"]
    assert {"release", "encoder_digest", "seconds", "per_second"} < result.keys()
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("naiad: run 'may' of experiment 'shop' is there already")
