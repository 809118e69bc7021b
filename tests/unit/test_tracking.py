"""A tracked run: everything is in MLflow, nothing of it is needed for the model to be there."""

import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from preprocessing.schema import read_fitted
from stage.mlflow_store import StoreError, open_store, without_password
from tests.in_process import run_in_process
from training.__main__ import main
from training.checkpoint import CheckpointError, new_model, save
from training.families.offline_online.config import OfflineOnlineConfig
from training.settings import TrainingSettings
from training.tracking.fit import fit_tracked
from training.tracking.options import TrackingError, TrackingOptions
from training.tracking.run import TrackedRun, metric_name
from training.tracking.saved import track_saved

CONFIG = OfflineOnlineConfig(dim=16, hidden=16)
SETTINGS = TrainingSettings(epochs=1, batch_size=8, evaluations_per_epoch=2, warmup_steps=2, validation_rows=16)
FLAGS = ["--epochs=1", "--batch-size=8", "--evaluations-per-epoch=1", "--validation-rows=16", "--dim=16", "--hidden=16"]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store in a folder whose name has to be escaped."""
    return f"sqlite:///{tmp_path_factory.mktemp('a store')}/deep/mlflow.db"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store that holds nothing, to copy: MLflow takes seconds to make one."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    open_store(f"sqlite:///{file}", create=True)
    return file


def test_a_run_is_in_the_store_whole_and_its_model_has_the_alias(
    tmp_path: Path, synthetic_data: Path, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "model"
    options = TrackingOptions(uri, register="shop", aliases=("champion", "tried"))
    trained, kept = fit_tracked(options, synthetic_data, output, CONFIG, SETTINGS)
    assert "INFO" not in capfd.readouterr().err
    assert kept["registered"] == "models:/shop/1"
    client = open_store(uri).client
    run = client.get_run(kept["run"])
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "synthetic"
    assert {"model.dim": "16", "seed": "42", "batch_size": "8"}.items() <= run.data.params.items()
    assert run.data.tags["naiad.schema_digest"] == read_fitted(synthetic_data).digest
    assert run.data.metrics["best/ndcg_at_20"] == trained.validation["ndcg@20"]
    history = json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
    for name in ("eval_ndcg@20", "loss"):
        curve = [(log["step"], log[name]) for log in history if name in log]
        logged = client.get_metric_history(kept["run"], metric_name(name))
        assert len(curve) > 1
        assert sorted((point.step, point.value) for point in logged) == curve
    assert {file.path for file in client.list_artifacts(kept["run"])} == {
        "config.json", "model", "schema.json", "trainer_state.json",
    }  # fmt: skip
    version = client.get_model_version_by_alias("shop", "champion")
    assert (version.version, version.run_id, version.tags["naiad.family"]) == (1, kept["run"], "offline_online")
    assert client.get_model_version_by_alias("shop", "tried").version == 1
    stored = Path(uri.removeprefix("sqlite:///")).parent / "mlflow-artifacts" / kept["run"] / "artifacts"
    assert json.loads((stored / "config.json").read_text(encoding="utf-8"))["training"] == SETTINGS.model_dump()
    assert (stored / "schema.json").read_bytes() == (output / "schema.json").read_bytes()
    model = {file.relative_to(output): file.read_bytes() for file in output.rglob("*") if file.is_file()}
    assert {
        file.relative_to(stored / "model"): file.read_bytes()
        for file in (stored / "model").rglob("*")
        if file.is_file()
    } == model


def test_a_resumed_run_is_the_same_run_of_the_store(tmp_path: Path, synthetic_data: Path, uri: str) -> None:
    fitted = read_fitted(synthetic_data)
    options = TrackingOptions(uri, experiment="resumed")
    first, second, other = (TrackedRun(options, synthetic_data, tmp_path / "model") for _ in range(3))
    first.begin(fitted, CONFIG, SETTINGS, tmp_path)
    with pytest.raises(KeyboardInterrupt), first.closed_on_error():
        raise KeyboardInterrupt
    second.begin(fitted, CONFIG, SETTINGS, tmp_path)
    other.begin(fitted, CONFIG, SETTINGS, None)
    client = open_store(uri).client
    runs = client.search_runs([client.get_experiment_by_name("resumed").experiment_id])
    assert sorted(run.info.status for run in runs) == ["RUNNING", "RUNNING"]


def test_a_store_that_dies_while_training_loses_neither_the_model_nor_silently_the_version(
    tmp_path: Path,
    synthetic_data: Path,
    empty_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = TrackedRun.begin

    def begin_and_break(self: TrackedRun, *arguments: Any) -> None:
        begin(self, *arguments)
        with closing(sqlite3.connect(file)) as database:
            database.execute("DROP TABLE metrics")

    monkeypatch.setattr(TrackedRun, "begin", begin_and_break)
    file = shutil.copy(empty_store, tmp_path / "mlflow.db")
    options = TrackingOptions(f"sqlite:///{file}")
    trained, kept = fit_tracked(options, synthetic_data, tmp_path / "model", CONFIG, SETTINGS)
    assert kept == {}
    assert trained.steps > 0
    assert (tmp_path / "model" / "whole.safetensors").is_file()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("naiad: sqlite")
    assert said[0].endswith("the run is logged at its end")
    assert "is complete in" in said[1]
    assert len(said) == 2
    file = shutil.copy(empty_store, tmp_path / "second.db")
    wanted = TrackingOptions(f"sqlite:///{file}", register="shop")
    with pytest.raises(StoreError, match="is complete in"):
        fit_tracked(wanted, synthetic_data, tmp_path / "second", CONFIG, SETTINGS)
    assert (tmp_path / "second" / "whole.safetensors").is_file()
    monkeypatch.undo()
    later = TrackingOptions(f"sqlite:///{shutil.copy(empty_store, tmp_path / 'later.db')}", register="shop")
    kept = track_saved(later, tmp_path / "model")
    client = open_store(later.uri).client
    run = client.get_run(kept["run"])
    assert (run.info.status, kept["registered"]) == ("FINISHED", "models:/shop/1")
    assert run.data.metrics["best/ndcg_at_20"] == trained.validation["ndcg@20"]
    losses = [point.value for point in client.get_metric_history(kept["run"], "train/loss")]
    assert len(losses) > 1


def test_a_folder_without_a_history_cannot_be_tracked_later(tmp_path: Path, synthetic_data: Path) -> None:
    save(new_model(synthetic_data, read_fitted(synthetic_data), CONFIG), CONFIG, synthetic_data, tmp_path)
    with pytest.raises(CheckpointError, match=r"settings\.json and trainer_state\.json cannot be read"):
        track_saved(TrackingOptions(f"sqlite:///{tmp_path}/mlflow.db"), tmp_path)
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--register", "a/b"], "--register 'a/b': give a name without"),
        (["--alias", "champion"], "add --register NAME"),
        (["--register", "shop", "--alias", "v1"], "'latest' and 'v1' are MLflow's own"),
        (["--no-tracking", "--register", "shop"], "drop one of them"),
        (["--tracking-uri", "runs/mlflow.db"], "is no URI, give sqlite:///FILE or http://HOST:PORT"),
        (["--tracking-uri", "http://127.0.0.1:9"], "give a store that answers, or --no-tracking"),
        (["--tracking-uri", "sqlite:////proc/none/mlflow.db"], "cannot be written"),
    ],
)
def test_what_cannot_be_tracked_is_one_line_before_a_step_is_taken(
    flags: list[str],
    said: str,
    tmp_path: Path,
    synthetic_data: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["fit", "--data", str(synthetic_data), "--output", str(tmp_path / "model"), *FLAGS, *flags]
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    error = capfd.readouterr().err
    assert end.value.code == 2
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "model").exists()


def test_a_cut_off_run_is_killed_in_the_store_and_goes_on_there(
    tmp_path: Path, synthetic_data: Path, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "model"
    command = [
        "training", "fit", "--data", str(synthetic_data), "--output", str(output), *FLAGS,
        "--epochs=3", "--tracking-uri", uri, "--experiment", "cut off",
    ]  # fmt: skip
    client = open_store(uri).client
    experiment = client.create_experiment("cut off", f"{tmp_path}/artifacts")
    ended = threading.Event()

    def terminate_once_a_loss_is_logged() -> None:
        while not any("train/loss" in run.data.metrics for run in client.search_runs([experiment])):
            if ended.wait(0.01):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # should it come when the run is over
    watcher = threading.Thread(target=terminate_once_a_loss_is_logged)
    watcher.start()
    try:
        assert run_in_process(*command).returncode == 143
    finally:
        ended.set()
        watcher.join()
        signal.signal(signal.SIGTERM, before)
    (cut_off,) = client.search_runs([experiment])
    assert cut_off.info.status == "KILLED"
    done = run_in_process(*command, "--resume")
    assert done.returncode == 0, done.stderr
    (whole,) = client.search_runs([experiment])
    assert (whole.info.run_id, whole.info.status) == (cut_off.info.run_id, "FINISHED")
    assert json.loads(done.stdout.splitlines()[-1])["run"] == whole.info.run_id
    assert "mlflow" not in (done.stderr + capfd.readouterr().err).lower()


def test_without_tracking_mlflow_is_neither_imported_nor_needed(
    tmp_path: Path, synthetic_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("training", "stage")]:
        monkeypatch.delitem(sys.modules, name)  # imported again, as by a new process
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.chdir(tmp_path)
    flags = ["--data", synthetic_data, "--output", tmp_path / "model", *FLAGS, "--no-tracking"]
    done = run_in_process("training", "fit", *flags)
    assert done.returncode == 0, done.stderr
    assert "run" not in json.loads(done.stdout.splitlines()[-1])
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@mlflow.example:5000/x", "https://mlflow.example:5000/x"),
        ("sqlite:///runs/mlflow.db", "sqlite:///runs/mlflow.db"),
    ],
)
def test_a_password_is_not_shown(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("eval_ndcg@20", "validation/ndcg_at_20"),
        ("loss", "train/loss"),
        ("train_runtime", "run/runtime"),
        ("epoch", "epoch"),
    ],
)
def test_curves_are_grouped_and_have_names_that_mlflow_takes(name: str, expected: str) -> None:
    assert metric_name(name) == expected


def test_an_alias_without_a_model_is_refused_when_the_options_are_made() -> None:
    with pytest.raises(TrackingError, match="add --register NAME"):
        TrackingOptions(aliases=("champion",))
