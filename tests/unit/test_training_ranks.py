"""Two processes that train one model, as torchrun starts them: one output, one word, the same metrics in both."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stage.errors import BadInput
from stage.manifest import MANIFEST
from training import ranks

RUN = """
import json, os, sys
from pathlib import Path
import training.trainer as trainer
from training.__main__ import main
fit, rank = trainer.fit, os.environ["RANK"]
def told(*arguments):
    trained = fit(*arguments)
    Path(os.environ["TOLD"], rank).write_text(json.dumps([trained.validation, trained.steps, trained.best_step]))
    return trained
trainer.fit = told
main()
"""


def started(tmp_path: Path, *words: object) -> list[tuple[int, str, str]]:
    """Run `training fit` in two processes; the exit code, standard output and standard error of each."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "told").mkdir(exist_ok=True)
    about = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, "fit", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ, **about, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1",
                "TOLD": str(tmp_path / "told"),
            },
        )
        for rank in ("0", "1")
    ]  # fmt: skip
    try:
        ends = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *end) for process, end in zip(processes, ends, strict=True)]


def test_two_processes_train_one_model_and_the_first_alone_writes_and_speaks(
    tmp_path: Path, synthetic_data: Path
) -> None:
    output = tmp_path / "model"
    flags = ["--epochs=2", "--batch-size=16", "--patience=1", "--dim=8", "--hidden=8", "--no-tracking"]
    first, second = started(tmp_path, "--data", synthetic_data, "--output", output, *flags)
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    result = json.loads(first[1].splitlines()[-1])
    assert second[1] == ""
    assert "naiad" not in second[2]
    told = [json.loads((tmp_path / "told" / rank).read_text(encoding="utf-8")) for rank in ("0", "1")]
    assert told[0] == told[1]
    assert {f"validation_{name}": value for name, value in told[0][0].items()}.items() <= result.items()
    assert {path.name for path in tmp_path.iterdir()} == {"model", "told"}
    assert {path.name for path in output.iterdir()} >= {MANIFEST, "whole.safetensors", "trainer_state.json"}
    state = json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))
    rows = sum(1 for _ in state["log_history"])
    assert rows > 0


def test_alone_a_process_is_the_first_and_raises_its_own_error() -> None:
    assert (ranks.count(), ranks.is_first(), ranks.from_first("value")) == (1, True, "value")
    with pytest.raises(BadInput, match="seen"), ranks.together():
        raise BadInput("seen")
