"""Two processes that train one model, as torchrun starts them: one output, one log, equal metrics in both."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from preprocessing.schema import read_fitted
from stage.errors import BadInput
from stage.manifest import MANIFEST
from training import ranks
from training.examples.moments import train_moments

RUN = """
import json, os, sys
from pathlib import Path
import training.trainer as trainer
from stage.command import leave
from training.__main__ import main

fit, found = trainer.fit, {"codes": []}

def noted(*arguments):
    trained = fit(*arguments)
    found["trained"] = trained.validation, trained.steps, trained.best_step
    return trained

def every():
    commands, notes = json.loads(sys.argv[1]), Path(sys.argv[2])
    for words in commands:
        sys.argv = ["training", *words]
        try:
            main()
        except SystemExit as end:
            found["codes"].append(end.code)
    notes.write_text(json.dumps(found))

trainer.fit = noted
leave(every)
"""


def fit_in_two(noted: Path, *commands: list[str]) -> list[tuple[str, str, Any]]:
    """Run the commands one after the other in two processes; what each printed, said and noted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, json.dumps(commands), str(noted / rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **world, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"},
        )
        for rank in ("0", "1")
    ]
    try:
        said = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    notes = [json.loads((noted / rank).read_text(encoding="utf-8")) for rank in ("0", "1")]
    return [(*each, note) for each, note in zip(said, notes, strict=True)]


def test_two_processes_train_one_model_and_the_first_alone_writes_and_speaks(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, synthetic_data: Path
) -> None:
    flags = ["--data", str(synthetic_data), "--epochs=1", "--batch-size=16", "--dim=8", "--hidden=8", "--no-tracking"]
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work", encoding="utf-8")
    refused, accepted = (["fit", *flags, "--output", str(tmp_path / name)] for name in ("taken", "model"))
    first, second = fit_in_two(tmp_path_factory.mktemp("noted"), refused, accepted)
    assert first[2] == second[2]
    assert first[2]["codes"] == [2, 0]
    validation, steps, best_step = first[2]["trained"]
    rows = len(train_moments(synthetic_data, read_fitted(synthetic_data)))
    assert steps == math.ceil(rows / (2 * 16))
    result = json.loads(first[0].splitlines()[-1])
    assert (result["steps"], result["best_step"]) == (steps, best_step)
    assert {f"validation_{name}": value for name, value in validation.items()}.items() <= result.items()
    assert [line for line in first[1].splitlines() if line.startswith("naiad: ")] == [
        f"naiad: {taken}: has files already, give another folder"
    ]
    assert second[0] == ""
    assert "naiad" not in second[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "taken"]
    written = {path.name for path in (tmp_path / "model").iterdir()}
    assert {MANIFEST, "whole.safetensors", "settings.json", "trainer_state.json"} <= written


@pytest.mark.parametrize("rank", ["0", "1"])
def test_more_processes_than_gpus_are_refused_by_the_first_alone(monkeypatch: pytest.MonkeyPatch, rank: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput if rank == "0" else SystemExit) as refused:
        ranks.join()
    assert str(refused.value) == (
        "torchrun started 2 processes, more than the GPUs of this machine (1): give --nproc_per_node 1, or set "
        "CUDA_VISIBLE_DEVICES= to train without GPUs"
        if rank == "0"
        else "2"
    )


def test_a_process_that_trains_alone_is_the_first_and_raises_its_own_error() -> None:
    assert (ranks.count(), ranks.is_first(), ranks.from_first("value")) == (1, True, "value")
    with pytest.raises(BadInput, match="seen"), ranks.together():
        raise BadInput("seen")
