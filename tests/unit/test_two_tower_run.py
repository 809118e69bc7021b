"""A run of the two_tower family from the command line: trained, picked, resumed and evaluated like the first."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from preprocessing.schema import read_fitted
from training.__main__ import main
from training.checkpoint import load, read_config
from training.examples.moments import DataError, SplitData
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.two_tower.config import TwoTowerConfig, TwoTowerSettings
from training.families.two_tower.model import TwoTower
from training.ranking import model_scorer, rank_split
from training.trainer import fit

CONFIG = TwoTowerConfig(dim=8)
SETTINGS = TwoTowerSettings(
    epochs=1,
    batch_size=16,
    evaluations_per_epoch=2,
    warmup_steps=2,
    validation_rows=16,
    best_by="ndcg@20",
    memory=32,
    uniform_negatives=8,
)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["training", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_command_trains_the_family_that_it_names_and_compares_it_with_the_baselines(
    tmp_path: Path, synthetic_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    flags = ["--epochs=1", "--batch-size=16", "--dim=8", "--validation-rows=16", "--best-by=recall@5"]
    options = ["--no-mask-duplicates", "--logq=standard", "--uniform-negatives=8", "--memory=16"]
    command = ["fit", "--family", "two_tower", "--data", str(synthetic_data), "--output", str(model)]
    assert run(monkeypatch, *command, *flags, *options) == 0
    assert 0 <= json.loads(capsys.readouterr().out.splitlines()[-1])["validation_recall@5"] <= 1
    assert read_config(model) == CONFIG
    settings = json.loads((model / "settings.json").read_text(encoding="utf-8"))
    assert (settings["logq"], settings["mask_duplicates"], settings["memory"]) == ("standard", False, 16)
    assert run(monkeypatch, "evaluate", "--data", str(synthetic_data), "--model", str(model)) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    names = {"recall@100", "ndcg@100", "categorical_accuracy@100", "coverage@100", "novelty@20"}
    for found in (
        result,
        *(result[name] for name in ("popularity", "popularity_7_days", "own_most_frequent", "item_knn")),
    ):
        assert names <= set(found)
    fitted = read_fitted(synthetic_data)
    scorer = model_scorer(load(model, TwoTower))
    again = rank_split(scorer, SplitData(synthetic_data, "test", fitted), (20, 100))
    assert result["ndcg@20"] == pytest.approx(again["ndcg@20"], abs=1e-6)


def test_the_same_seed_gives_the_same_towers_and_a_resumed_run_those_of_an_unbroken_one(
    tmp_path: Path, synthetic_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(synthetic_data, tmp_path / "unbroken", CONFIG, SETTINGS)

    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr("training.trainer.save", cut)
        with pytest.raises(Cut):
            fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS)
    checkpoints = sorted((tmp_path / "model.checkpoints").glob("checkpoint-*"), key=lambda path: path.stat().st_mtime)
    assert len(checkpoints) == 2
    for file in checkpoints[-1].iterdir():
        file.unlink()
    checkpoints[-1].rmdir()
    fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS, resume=True)
    one, other = (load_file(tmp_path / name / "two_tower.safetensors") for name in ("unbroken", "model"))
    moved = [name for name in one if one[name].is_floating_point()]
    for name in moved:
        assert torch.allclose(one[name], other[name], atol=1e-3), name


def test_a_catalogue_not_larger_than_k_is_one_line_unless_the_order_in_it_counts(
    tmp_path: Path, synthetic_data: Path
) -> None:
    with pytest.raises(DataError, match=r"recall@100 over a catalogue of \d+ items .*--best-by ndcg@20"):
        fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS.model_copy(update={"best_by": "recall@100"}))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--family", "tree"], "invalid choice: 'tree'"),
        (["--family", "two_tower", "--temperature", "0"], "--temperature"),
        (["--family", "two_tower", "--best-by", "luck@3"], "--best-by"),
        (["--family", "two_tower", "--logq", "twice"], "invalid choice: 'twice'"),
        (["--temperature", "0.1"], "unrecognized arguments: --temperature"),
    ],
)
def test_flags_of_no_family_or_of_the_other_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "fit", "--data", "nowhere", "--output", "x", *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_checkpoint_of_before_the_families_is_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"dim": 16, "hidden": 24, "dropout": 0.1}', encoding="utf-8")
    assert read_config(tmp_path) == OfflineOnlineConfig(dim=16, hidden=24)
