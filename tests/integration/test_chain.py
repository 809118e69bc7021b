"""The first commands of the chain on a log without any features."""

import json
from pathlib import Path
from typing import Any

from tests.in_process import run_in_process
from tests.synthetic import write_log


def run(*command: str) -> dict[str, Any]:
    """Return the last line of a command's output."""
    done = run_in_process(*command)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_a_log_with_only_ids_and_times_goes_through_the_generic_schema(tmp_path: Path) -> None:
    log = write_log(tmp_path)
    data = tmp_path / "data"
    made = run(
        "preprocessing", "fit", "--schema", "generic", "--source", str(log), "--output", str(data),
        "--columns", "user=user,item=item,time=time",
    )  # fmt: skip
    assert made["train_rows"] > 0
    trained = run(
        "training", "fit", "--data", str(data), "--output", str(tmp_path / "model"), "--epochs", "1", "--dim", "16",
        "--no-tracking",
    )  # fmt: skip
    assert 0 <= trained["validation_ndcg@20"] <= 1
