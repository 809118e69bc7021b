"""From a training run through MLflow's registry to a verified repository, with a file and with a real server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.__main__ import main
from export.errors import RegistryError
from export.repository.registry import model_folder
from stage.mlflow_store import StoreError, open_store
from training.families.offline_online.config import OfflineOnlineConfig
from training.settings import TrainingSettings
from training.tracking.fit import fit_tracked
from training.tracking.options import TrackingOptions

CONFIG = OfflineOnlineConfig(dim=16, hidden=16)
SETTINGS = TrainingSettings(epochs=1, batch_size=16, evaluations_per_epoch=1, validation_rows=16)


@pytest.fixture(scope="module")
def runs(compiled_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that has two versions of `shop`, the first the champion, and the models they are of."""
    folder = tmp_path_factory.mktemp("runs")
    uri = f"sqlite:///{folder}/mlflow.db"
    for seed, aliases in ((1, ("champion",)), (2, ())):
        options = TrackingOptions(uri, register="shop", aliases=aliases)
        settings = SETTINGS.model_copy(update={"seed": seed})
        fit_tracked(options, compiled_data, folder / f"model-{seed}", CONFIG, settings)
    return folder


def weights(folder: Path) -> bytes:
    return (folder / "whole.safetensors").read_bytes()


def test_a_repository_is_built_from_the_version_that_has_the_alias(
    runs: Path, compiled_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{runs}/mlflow.db"
    repository = tmp_path / "repository"
    command = [
        "export", "repository", "--model", "models:/shop@champion", "--tracking-uri", uri, "--data", str(compiled_data),
        "--output", str(repository), "--no-reference-path", "--no-stored-embeddings", "--format", "torchscript",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    client = open_store(uri).client
    run = client.get_model_version("shop", "1").run_id
    expected = {"name": "shop", "version": "1", "alias": "champion", "run": run}
    verified = json.loads((repository / "verify.json").read_text(encoding="utf-8"))
    assert verified["families"]["offline_online"]["registered_model"] == expected
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["families"]["offline_online"]["registered_model"] == expected


def test_a_moved_alias_is_another_version_and_a_number_is_always_the_same(runs: Path) -> None:
    uri = f"sqlite:///{runs}/mlflow.db"
    client = open_store(uri).client
    assert weights(runs / "model-1") != weights(runs / "model-2")
    for version in ("2", "1"):
        client.set_registered_model_alias("shop", "champion", version)
        with model_folder("models:/shop@champion", uri) as (folder, registered):
            assert registered is not None
            assert registered.version == version
            assert weights(folder) == weights(runs / f"model-{version}")
        assert not folder.exists()
    with model_folder("models:/shop/2", uri) as (folder, registered):
        assert registered is not None
        assert (registered.version, registered.alias) == ("2", None)
        assert weights(folder) == weights(runs / "model-2")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("models:/shop@best", r"where shop has versions 1, 2 and the aliases champion"),
        ("models:/shop/7", r"models:/shop/7: not in sqlite.*versions 1, 2"),
        ("models:/shoe@champion", r"models:/shoe@champion: not in sqlite.*, which has shop"),
        ("models:/shop", r"give models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("models:/shop@", r"give models:/NAME@ALIAS or models:/NAME/VERSION"),
        ("runs/model", r"--tracking-uri is for a registered model"),
    ],
)
def test_a_model_that_the_registry_does_not_hold_is_refused_with_what_it_holds(
    model: str, said: str, runs: Path
) -> None:
    with pytest.raises(RegistryError, match=said), model_folder(model, f"sqlite:///{runs}/mlflow.db"):
        pass


def test_a_store_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with pytest.raises(StoreError, match="no such file"), model_folder("models:/shop@champion", uri):
        pass
    assert not any(tmp_path.iterdir())


def test_a_version_whose_files_are_gone_or_not_ours_is_refused(runs: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{runs}/mlflow.db"
    client = open_store(uri).client
    client.create_registered_model("foreign")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "MLmodel").touch()
    for name in ("there", "gone"):
        client.create_model_version("foreign", (tmp_path / name).as_uri())
    with pytest.raises(RegistryError, match="is not a model that"), model_folder("models:/foreign/1", uri):
        pass
    with pytest.raises(StoreError, match="models:/foreign/2 could not be read"), model_folder("models:/foreign/2", uri):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server on a free port, which alone knows where artifacts are."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--serve-artifacts", "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 180
        while not _answers(f"{url}/health"):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_server_keeps_runs_and_models_whose_files_go_through_it(
    server: str, compiled_data: Path, tmp_path: Path
) -> None:
    options = TrackingOptions(server, experiment="served", register="shop", aliases=("champion",))
    trained, kept = fit_tracked(options, compiled_data, tmp_path / "model", CONFIG, SETTINGS)
    client = open_store(server).client
    run = client.get_run(kept["run"])
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert run.data.metrics["best/ndcg_at_20"] == trained.validation["ndcg@20"]
    with model_folder("models:/shop@champion", server) as (folder, registered):
        assert registered is not None
        assert (registered.version, registered.run) == ("1", kept["run"])
        assert weights(folder) == weights(tmp_path / "model")
    with pytest.raises(RegistryError, match=r"where shop has versions 1 and the aliases champion"):
        model_folder("models:/shop@best", server).__enter__()
    assert {path.name for path in tmp_path.iterdir()} == {"model"}
