"""The flags of `python -m training`: explained, limited, and refused before torch is imported."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocessing.schema import read_fitted
from training.__main__ import _parser, main
from training.families import NAMES
from training.families.offline_online.config import OfflineOnlineConfig
from training.threads import share_cores

HEAVY = ("torch", "transformers", "nvtabular", "pandas", "pyarrow", "mlflow")


def actions(family: str) -> list[tuple[str, argparse.Action]]:
    [commands] = [each for each in _parser(family)._actions if isinstance(each, argparse._SubParsersAction)]
    return [(name, each) for name, command in commands.choices.items() for each in command._actions]


@pytest.mark.parametrize("family", NAMES)
def test_every_flag_says_what_it_does_and_shows_its_default(family: str) -> None:
    for command, action in actions(family):
        name = f"{command} {action.option_strings[0]}"
        assert action.help, name
        assert len(action.help.split()) >= 3, name
        if isinstance(action.default, bool) and action.dest not in ("resume", "overwrite", "tracking", "help"):
            assert f"(default {'on' if action.default else 'off'})" in action.help, name
        elif isinstance(action.default, str | int | float) and not isinstance(action.default, bool):
            assert action.default == argparse.SUPPRESS or f"(default {action.default}" in action.help, name


@pytest.mark.parametrize("family", NAMES)
def test_the_help_of_every_setting_can_be_printed(family: str) -> None:
    [commands] = [each for each in _parser(family)._actions if isinstance(each, argparse._SubParsersAction)]
    shown = " ".join(commands.choices["fit"].format_help().split())
    assert "raise it on small data" in shown
    assert "--threads" in shown


@pytest.mark.parametrize(
    "flags",
    [
        "--learning-rate nan", "--learning-rate inf", "--learning-rate 1e999", "--learning-rate 0",
        "--weight-decay=-1", "--weight-decay nan", "--max-gradient-norm inf", "--dropout 1", "--dropout nan",
        "--epochs 0", "--epochs 99999999999999999999", "--epochs 1.5", "--batch-size 0", "--batch-size 10000000000",
        "--patience 0", "--warmup-steps=-1", "--validation-rows 0", "--seed=-1", "--seed 4294967296",
        "--best-by ndcg", "--best-by ndcg@0", "--best-by ndcg@99999999999", "--dim 0", "--dim 1000000", "--hidden 0",
        "--threads 0", "--threads 1000000", "--threads many",
        "--family two_tower --temperature inf", "--family two_tower --logq-strength nan",
        "--family two_tower --memory=-1", "--family two_tower --uniform-negatives 10000000000000",
    ],
)  # fmt: skip
def test_a_setting_out_of_range_is_one_line_that_names_it(
    flags: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "fit", "--data", "nowhere", "--output", "x", *flags.split()])
    with pytest.raises(SystemExit) as end:
        main()
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.count("\n") == 1
    assert error.startswith("naiad: ")
    name = [each for each in flags.replace("=", " ").split() if each.startswith("--")][-1]
    assert name in error


PROBE = """
import contextlib, importlib, json, sys
found = []
for package, *words in json.loads(sys.argv[1]):
    sys.argv = [package, *words]
    try:
        importlib.import_module(f"{package}.__main__").main()
    except SystemExit as end:
        found.append(end.code)
print(json.dumps([found, sorted({name.partition('.')[0] for name in sys.modules})]))
"""


def test_what_the_folders_show_is_refused_before_torch_is_imported(synthetic_data: Path, tmp_path: Path) -> None:
    data, taken = str(synthetic_data), tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work", encoding="utf-8")
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    (narrow / "schema.json").write_bytes((synthetic_data / "schema.json").read_bytes())
    other = tmp_path / "other"
    other.mkdir()
    fitted = read_fitted(data).model_copy(update={"boundaries": {}}).sealed()
    (other / "schema.json").write_text(fitted.model_dump_json(by_alias=True), encoding="utf-8")
    model = tmp_path / "model"
    model.mkdir()
    (model / "schema.json").write_bytes((synthetic_data / "schema.json").read_bytes())
    (model / "model.json").write_text(OfflineOnlineConfig().model_dump_json(), encoding="utf-8")
    free, export = str(tmp_path / "free"), ("export", "repository")
    refused = {
        "taken: has files already": ["training", "fit", "--data", data, "--output", str(taken)],
        "no schema.json in nowhere": ["training", "fit", "--data", "nowhere", "--output", free],
        "no rows of train in": ["training", "fit", "--data", str(narrow), "--output", free],
        "leave it out to start a new run": ["training", "fit", "--data", data, "--output", free, "--resume"],
        "pick the checkpoint with": ["training", "fit", "--data", data, "--output", free, "--best-by", "recall@999"],
        "no schema.json in": ["training", "evaluate", "--data", data, "--model", str(taken)],
        "no model.json in": ["training", "evaluate", "--data", data, "--model", str(narrow)],
        "other was made with schema digest": ["training", "evaluate", "--data", data, "--model", str(other)],
        "no rows of test in": ["training", "evaluate", "--data", str(narrow), "--model", str(model)],
        "no schema.json in elsewhere": [
            *export,
            "--data",
            data,
            "--model",
            "elsewhere",
            "--output",
            free,
        ],
        "other was made with": [*export, "--data", data, "--model", str(other), "--output", free],
        "narrow: give the output": [*export, "--data", str(narrow), "--model", str(model), "--output", free],
        "has files already": [*export, "--data", data, "--model", str(model), "--output", str(taken)],
    }
    command = [sys.executable, "-c", PROBE, json.dumps(list(refused.values()))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    codes, modules = json.loads(done.stdout.splitlines()[-1])
    assert codes == [2] * len(refused)
    lines = done.stderr.splitlines()
    assert len(lines) == len(refused)
    for line, expected in zip(lines, refused, strict=True):
        assert expected in line
    assert set(modules).isdisjoint(HEAVY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "narrow", "other", "taken"]


def test_a_shortened_flag_is_refused_and_the_family_is_never_another_than_the_written_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["training", "fit", "--data", "d", "--output", "o", "--fam", "two_tower"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.startswith("naiad: unrecognized arguments: --fam two_tower: see ")


def test_threads_limit_torch_and_waiting_ones_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = (
        "import os; from training.threads import share_cores; share_cores(1); import torch; "
        "print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'])"
    )
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "PASSIVE"]
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    share_cores(None)
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
