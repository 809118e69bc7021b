"""The whole chain by its commands: a log becomes a served model whose metrics are those of the trained one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.server import run_triton
from tests.in_process import run_in_process
from tests.synthetic import write_log


def run(*command: str, process: bool = False) -> dict[str, Any]:
    """The last line of a command's output; of a `process` of its own, or of this one."""
    if process:
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    else:
        done = run_in_process(*command)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def model(compiled_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain") / "model"
    run(
        "training", "fit", "--data", str(compiled_data), "--output", str(folder), "--epochs", "1", "--dim", "16",
        "--no-tracking",
    )  # fmt: skip
    return folder


METRICS = [f"{name}@{k}" for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate") for k in (5, 10)]


@pytest.mark.parametrize(("format_", "scheme"), [("onnx", "grpc"), ("torchscript", "http")])
def test_served_metrics_are_the_offline_metrics(
    compiled_data: Path, model: Path, tmp_path: Path, format_: str, scheme: str
) -> None:
    data, repository = str(compiled_data), str(tmp_path / "repository")
    run("export", "repository", "--data", data, "--model", str(model), "--output", repository, "--format", format_,
        "--no-reference-path", "--no-stored-embeddings")  # fmt: skip
    offline = run("training", "evaluate", "--data", data, "--model", str(model), "--k", "5,10")
    with run_triton(repository, grace_s=0) as server:
        url = server.grpc_url if scheme == "grpc" else server.http_url
        evaluate = ("client", "evaluate", "--url", url, "--requests", f"{data}/requests/test", "--k", "5,10")
        served = run(*evaluate, process=scheme == "grpc")
    assert served["rows"] == offline["rows"]
    for metric in METRICS:
        assert served[metric] == pytest.approx(offline[metric], abs=1e-6), metric


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
