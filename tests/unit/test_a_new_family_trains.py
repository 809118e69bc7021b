"""A family is its own folder and one word: with both, every command of training supports it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.popularity_family import PopularityConfig
from tests.popularity_family.registration import register
from training.__main__ import main
from training.checkpoint import load_whole, read_config
from training.families import NAMES
from training.families.config import CheckpointError

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    register(monkeypatch)

    def command(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["training", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return command


def test_a_new_family_is_trained_evaluated_and_loaded_by_its_name(
    run: Run, synthetic_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    flags = ["--family", "popularity", "--epochs", 1, "--batch-size", 32, "--best-by", "ndcg@5", "--no-tracking"]
    assert run("fit", "--data", synthetic_data, "--output", model, *flags) == 0
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < trained["validation_ndcg@5"] <= 1
    assert read_config(model) == PopularityConfig()
    assert not torch.equal(next(load_whole(model).parameters()), torch.ones(()))
    assert run("evaluate", "--data", synthetic_data, "--model", model) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"ndcg@5", "ndcg@10"} <= set(result)
    assert result["ndcg@10"] == pytest.approx(result["popularity"]["ndcg@10"], abs=1e-6)
    monkeypatch.undo()
    known = f"family 'popularity' is not one of {', '.join(NAMES)}: it was written by naiad "
    with pytest.raises(CheckpointError, match=known):
        read_config(model)


def test_the_help_of_fit_names_the_new_family_and_says_what_it_is_for(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", "--family", "popularity", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "popularity ranks items by how often they were bought" in shown
    assert "the flags below are those of popularity" in shown
    assert "--dim N (default 1)" in shown
    assert run("evaluate", "--help") == 0
    assert "5,10 of popularity" in " ".join(capsys.readouterr().out.split())


def test_a_command_refuses_a_flag_that_another_family_has(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "--data", "x", "--output", "y", "--family", "popularity", "--hidden", 8) == 2
    assert "unrecognized arguments: --hidden" in capsys.readouterr().err
