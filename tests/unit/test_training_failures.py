"""Errors of libraries during training or evaluation become one line with a remedy."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from safetensors.torch import save_file
from transformers import trainer_utils

from preprocessing.schema import read_fitted
from stage.errors import BadInput
from stage.output import OutputError
from stage.parquet import ParquetError
from tests.lively import lively_checkpoint
from training.checkpoint import CheckpointError, load
from training.evaluate import behind_a_baseline, evaluate
from training.examples.moments import DataError, SplitData
from training.failures import MemoryShortage, enough_memory, written
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.offline_online.model import OfflineOnline
from training.resume import RUN, ResumeError, begin
from training.settings import TrainingSettings
from training.trainer import fit, warmup_steps

CONFIG = OfflineOnlineConfig(dim=16, hidden=16)
SETTINGS = TrainingSettings(epochs=1, batch_size=32, evaluations_per_epoch=2, warmup_steps=2, validation_rows=16)


@pytest.fixture
def model(synthetic_data: Path, tmp_path: Path) -> Path:
    return lively_checkpoint(shutil.copytree(synthetic_data, tmp_path / "data"), CONFIG)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save(torch.zeros(1 << 20), path),
        lambda path: path.write_bytes(b"x" * (1 << 20)),
        lambda path: save_file({"a": torch.zeros(1 << 20)}, path / "nowhere" / "a"),
    ],
)
def test_a_disk_that_refuses_is_one_line(write: Callable[[Path], None], tmp_path: Path) -> None:
    said = r"cannot be written .*free space or give another --output"
    with pytest.raises(OutputError, match=said) as raised, written(tmp_path / "scratch"):
        write(Path("/dev/full"))
    assert "\n" not in str(raised.value)


def test_only_files_of_the_run_are_called_unwritten(tmp_path: Path) -> None:
    for missing in (tmp_path / "data" / "week.parquet", tmp_path / "scratch" / "week.parquet"):
        with pytest.raises(FileNotFoundError), written(tmp_path / "scratch"):
            missing.read_bytes()
    (tmp_path / "scratch").mkdir()
    said = r"scratch: cannot be written \(File name too long\), free space or give"
    with pytest.raises(OutputError, match=said), written(tmp_path / "scratch"):
        (tmp_path / "scratch" / ("n" * 300)).touch()


def test_memory_that_does_not_suffice_is_one_line() -> None:
    for ask in (lambda: torch.empty(1 << 50), lambda: np.empty(1 << 50)):
        with pytest.raises(MemoryShortage, match="lower --batch-size") as raised, enough_memory():
            ask()
        assert "\n" not in str(raised.value)


def test_a_fault_of_ours_is_not_taken_for_the_disk_s_or_the_memory_s(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory(), written(tmp_path):
        raise RuntimeError("shapes do not match")


def test_resume_without_checkpoints_is_refused_and_a_damaged_one_is_skipped_for_the_one_before(
    synthetic_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, output = read_fitted(synthetic_data), tmp_path / "model"
    with pytest.raises(ResumeError, match=r"--resume: no checkpoints at .* leave it out"):
        fit(synthetic_data, output, CONFIG, SETTINGS, resume=True)

    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr("training.trainer.save", cut)
        with pytest.raises(Cut):
            fit(synthetic_data, output, CONFIG, SETTINGS)
    scratch = tmp_path / "model.checkpoints"
    earlier, last = sorted(scratch.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert begin(output, fitted, CONFIG, SETTINGS, resume=True) == str(last)
    (last / "optimizer.pt").write_bytes((last / "optimizer.pt").read_bytes()[:500])
    capsys.readouterr()
    assert begin(output, fitted, CONFIG, SETTINGS, resume=True) == str(earlier)
    assert f"naiad: {last}: cannot be read" in capsys.readouterr().err
    (earlier / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ResumeError, match="none of its checkpoints can be read: drop --resume"):
        fit(synthetic_data, output, CONFIG, SETTINGS, resume=True)
    for checkpoint in (earlier, last):
        shutil.rmtree(checkpoint)
    assert begin(output, fitted, CONFIG, SETTINGS, resume=True) is None
    assert "no checkpoint was written yet" in capsys.readouterr().err
    assert [path.name for path in scratch.iterdir()] == [RUN]


def test_checkpoints_within_one_second_give_no_warning(tmp_path: Path) -> None:
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    transformers.utils.logging.warning_once.cache_clear()
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    trainer_utils.logger.addHandler(handler)
    try:
        found = trainer_utils.sort_checkpoints(str(tmp_path), use_mtime=True)
    finally:
        trainer_utils.logger.removeHandler(handler)
    assert [Path(path).name for path in found] == ["checkpoint-2", "checkpoint-10"]
    assert said == []


def test_a_short_run_warms_up_for_a_quarter_and_a_long_one_as_set() -> None:
    settings = TrainingSettings()
    assert [warmup_steps(settings, steps) for steps in (4, 16, 98, 100, 110, 684)] == [1, 4, 24, 50, 50, 50]
    assert warmup_steps(settings.model_copy(update={"warmup_steps": 0}), 98) == 0


def rewrite(file: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_parquet(file, partitioning=None)).to_parquet(file, index=False)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda data: rewrite(data / "item_index.parquet", lambda table: table[:-3]), "rows, the schema .* ids"),
        (lambda data: (data / "item_index.parquet").unlink(), "no item_index.parquet in"),
        (
            lambda data: (data / "daily_purchases.parquet").unlink(),
            "daily_purchases.parquet: no such file: run `preprocessing fit`",
        ),
        (lambda data: (data / "daily_purchases.parquet").write_bytes(b"torn"), "daily_purchases.parquet: cannot be"),
        (
            lambda data: rewrite(data / "daily_purchases.parquet", lambda table: table.assign(encoded_id=10**6)),
            "not of this schema's",
        ),
        (lambda data: shutil.rmtree(data / "requests" / "test"), "has 0 rows, test has"),
        (lambda data: shutil.rmtree(data / "test"), "no rows of test in"),
        (
            lambda data: rewrite(first_week(data), lambda table: table.assign(target=1)),
            "files differ|is not of this schema",
        ),
        (
            lambda data: rewrite(first_week(data), lambda table: table.assign(target=[[5, 5]] * len(table))),
            "has target 5 more than once: .*run the fit again",
        ),
    ],
)
def test_a_data_folder_that_is_not_whole_is_one_line(
    harm: Callable[[Path], None], said: str, model: Path, tmp_path: Path
) -> None:
    harm(tmp_path / "data")
    with pytest.raises(BadInput, match=said) as raised:
        evaluate(tmp_path / "data", model)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, DataError | ParquetError)


def first_week(data: Path) -> Path:
    return sorted((data / "test").glob("week=*/*.parquet"))[0]


@pytest.mark.parametrize("file", ["items.parquet", "item_index.parquet", "popular.parquet"])
def test_what_a_model_takes_over_from_the_data_is_missed_before_training(
    file: str, synthetic_data: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(synthetic_data, tmp_path / "data", ignore=shutil.ignore_patterns(file))
    with pytest.raises(DataError, match=f"no {file} in .*: give the whole output folder"):
        fit(data, tmp_path / "model", CONFIG, SETTINGS)


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 64])
def test_damaged_weights_are_one_line(content: bytes, model: Path) -> None:
    (model / "whole.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not the weights of this schema"):
        load(model, OfflineOnline)


def test_evaluate_counts_real_items_and_the_users_behind_the_rows_and_warns_of_a_better_baseline(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = evaluate(tmp_path / "data", model)
    shown = capsys.readouterr()
    fitted = read_fitted(model)
    requests = pq.read_table(tmp_path / "data" / "requests" / "test", partitioning=None).to_pandas()
    users = requests["user"].nunique()
    assert result["users"] == users
    title = " ".join(shown.out.split())
    assert f"{len(requests)} rows of {users} users, {fitted.items - 3} items" in title
    assert len(SplitData(tmp_path / "data", "test", fitted)) == len(requests)
    warning = shown.err.splitlines()[-1]
    assert warning.startswith("naiad: the model does not beat own_most_frequent: ndcg@20 ")


def test_only_a_model_above_every_baseline_gets_no_warning() -> None:
    found = {"model": {"ndcg@5": 0.3}, "popularity": {"ndcg@5": 0.2}, "other": {"ndcg@5": 0.1}}
    assert behind_a_baseline(found, "ndcg@5") == ""
    for other in (0.3, 0.31):
        line = behind_a_baseline({**found, "other": {"ndcg@5": other}}, "ndcg@5")
        assert line.startswith(f"the model does not beat other: ndcg@5 0.3000 against {other:.4f}")
