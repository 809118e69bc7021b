"""Training runs: reproducible by seed, resumable after a kill, complete or absent."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from preprocessing.schema import SchemaError, read_fitted
from stage.parquet import ParquetError
from tests.in_process import run_in_process
from training.__main__ import main
from training.evaluate import evaluate
from training.families.offline_online.config import OfflineOnlineConfig
from training.layers.encoders import EncoderError
from training.resume import RUN, ResumeError, begin
from training.settings import TrainingSettings
from training.trainer import fit

CONFIG = OfflineOnlineConfig(dim=16, hidden=16)
SETTINGS = TrainingSettings(epochs=2, batch_size=8, evaluations_per_epoch=2, warmup_steps=2, validation_rows=16)


def same_weights(one: Path, other: Path) -> bool:
    """Equal to one part in a thousand: sums in another order move last bits, and Adam makes more of them.

    Two seeds are further apart than the weights are from zero.
    """
    a, b = (load_file(folder / "whole.safetensors") for folder in (one, other))
    names = [name for name in a if a[name].is_floating_point() and "index_" not in name]
    first, second = (torch.cat([weights[name].flatten() for name in names]) for weights in (a, b))
    return bool((first - second).norm() < 1e-3 * first.norm())


@pytest.fixture(scope="module")
def unbroken(synthetic_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a run that nothing ended early."""
    model = tmp_path_factory.mktemp("unbroken") / "model"
    fit(synthetic_data, model, CONFIG, SETTINGS)
    return model


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    tmp_path: Path, synthetic_data: Path, unbroken: Path
) -> None:
    fit(synthetic_data, tmp_path / "again", CONFIG, SETTINGS)
    fit(synthetic_data, tmp_path / "other", CONFIG, SETTINGS.model_copy(update={"seed": 1}))
    assert same_weights(tmp_path / "again", unbroken)
    assert not same_weights(tmp_path / "other", unbroken)
    assert not (tmp_path / "again.checkpoints").exists()


def test_a_killed_run_resumes_to_the_weights_of_an_unbroken_one(
    tmp_path: Path, synthetic_data: Path, unbroken: Path
) -> None:
    flags = [
        "--epochs=2", "--batch-size=8", "--evaluations-per-epoch=2", "--warmup-steps=2", "--validation-rows=16",
        "--dim=16", "--hidden=16", "--no-tracking",
    ]  # fmt: skip
    command = [sys.executable, "-m", "training", "fit", "--data", str(synthetic_data), *flags]
    output = tmp_path / "model"
    process = subprocess.Popen([*command, "--output", str(output)], stderr=subprocess.DEVNULL)
    scratch = tmp_path / "model.checkpoints"
    deadline = time.monotonic() + 120
    while not list(scratch.glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    done = run_in_process(*command[2:], "--output", output, "--resume")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"] > 0
    assert same_weights(output, unbroken)


def test_training_stops_early_when_the_ndcg_stands_still_and_says_what_it_kept(
    tmp_path: Path, synthetic_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = SETTINGS.model_copy(update={"epochs": 6, "evaluations_per_epoch": 1, "patience": 1, "learning_rate": 1e-12})
    stopped = fit(synthetic_data, tmp_path / "stopped", CONFIG, still)
    said = capsys.readouterr().err
    assert stopped.stopped_early
    kept = f"kept: step {stopped.best_step}, ndcg@20 {stopped.validation['ndcg@20']:.4f}"
    assert f"naiad: stopped after {stopped.steps} of {stopped.planned} steps" in said
    assert kept in said
    unbroken = fit(synthetic_data, tmp_path / "unbroken", CONFIG, still.model_copy(update={"epochs": 2, "patience": 9}))
    assert not unbroken.stopped_early
    assert "stopped after" not in capsys.readouterr().err
    assert stopped.steps == unbroken.steps


def test_checkpoints_of_another_run_are_not_resumed(tmp_path: Path, synthetic_data: Path) -> None:
    fitted = read_fitted(synthetic_data)
    begin(tmp_path / "model", fitted, CONFIG, SETTINGS, resume=False)
    begin(tmp_path / "model", fitted, CONFIG, SETTINGS, resume=True)
    other = fitted.model_copy(update={"boundaries": {}}).sealed()
    with pytest.raises(ResumeError, match=r"schema_digest .* drop --resume"):
        begin(tmp_path / "model", other, CONFIG, SETTINGS, resume=True)
    with pytest.raises(ResumeError, match=r"model\.dim 16, not 32"):
        begin(tmp_path / "model", fitted, OfflineOnlineConfig(dim=32, hidden=16), SETTINGS, resume=True)


def test_a_run_is_resumed_with_as_many_processes_as_it_began_with(
    tmp_path: Path, synthetic_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = read_fitted(synthetic_data)
    begin(tmp_path / "model", fitted, CONFIG, SETTINGS, resume=False)
    run = tmp_path / "model.checkpoints" / RUN
    body = json.loads(run.read_text())
    assert body.pop("processes") == 1
    run.write_text(json.dumps(body))  # as earlier versions wrote it
    begin(tmp_path / "model", fitted, CONFIG, SETTINGS, resume=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ResumeError, match=r"of a run with processes 1, not 2: give the same, or drop --resume"):
        begin(tmp_path / "model", fitted, CONFIG, SETTINGS, resume=True)


def test_a_folder_that_is_not_ours_is_not_removed(tmp_path: Path, synthetic_data: Path) -> None:
    mine = tmp_path / "model.checkpoints" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work", encoding="utf-8")
    with pytest.raises(ResumeError, match="has no checkpoints of naiad"):
        fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS)
    assert mine.exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:200]), "cannot be read"),
        (
            lambda file: pq.write_table(pq.read_table(file).drop_columns(["recent"]), file),
            "has no column 'recent': run `preprocessing fit`",
        ),
    ],
)
def test_damaged_or_incomplete_rows_are_one_line(
    harm: Callable[[Path], None], said: str, tmp_path: Path, synthetic_data: Path
) -> None:
    data = shutil.copytree(synthetic_data, tmp_path / "data")
    harm(sorted((data / "train").glob("week=*/*.parquet"))[0])
    with pytest.raises(ParquetError, match=said):
        fit(data, tmp_path / "model", CONFIG, SETTINGS)
    assert not (tmp_path / "model").exists()


def test_a_width_that_the_heads_do_not_divide_is_one_line(tmp_path: Path, synthetic_data: Path) -> None:
    with pytest.raises(EncoderError, match="2 heads do not divide the width 15"):
        fit(synthetic_data, tmp_path / "model", OfflineOnlineConfig(dim=15), SETTINGS)


def test_bf16_trains_too(tmp_path: Path, synthetic_data: Path) -> None:
    trained = fit(synthetic_data, tmp_path / "bf16", CONFIG, SETTINGS.model_copy(update={"epochs": 1, "bf16": True}))
    assert 0 <= trained.validation["ndcg@20"] <= 1


def test_evaluate_prints_the_model_and_every_baseline(
    tmp_path: Path, synthetic_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS.model_copy(update={"epochs": 1}))
    arguments = ["training", "evaluate", "--data", str(synthetic_data), "--model", str(tmp_path / "model"), "--k", "5"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"ndcg@5", "recall@5", "mrr@5"} <= set(result)
    for baseline in ("popularity", "popularity_7_days", "own_most_frequent"):
        assert 0 <= result[baseline]["ndcg@5"] <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fit", "--data", "nowhere", "--output", "x"], "no schema.json in nowhere"),
        (["fit", "--data", "nowhere", "--output", "x", "--dropout", "2"], "--dropout"),
        (["evaluate", "--data", "nowhere", "--model", "x", "--k", "ten"], "--k ten"),
        (["evaluate", "--data", "nowhere", "--model", "x", "--k", "0"], "--k 0"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.count("\n") == 1
    assert said in error


def test_a_model_of_another_fit_is_refused(tmp_path: Path, synthetic_data: Path) -> None:
    fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS.model_copy(update={"epochs": 1}))
    other = read_fitted(tmp_path / "model").model_copy(update={"boundaries": {}}).sealed()
    (tmp_path / "model" / "schema.json").write_text(other.model_dump_json(by_alias=True), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"digest .* use the folders of one fit"):
        evaluate(synthetic_data, tmp_path / "model")
