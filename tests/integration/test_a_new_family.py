"""A family is its own folders and one word in each tuple: with these, every command knows it, from fit to evaluate."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.server import run_triton
from tests.in_process import run_in_process
from tests.popularity_family.registration import register, register_export

KS = ("--k", "5,10")


def run(*command: object, process: bool = False) -> dict[str, Any]:
    """Return the last line of a command's output; of a `process` of its own, which knows nothing of the family."""
    if process:
        words = [sys.executable, "-m", *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    else:
        done = run_in_process(*command)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_a_new_family_is_trained_exported_verified_served_and_measured_by_the_commands_of_the_house(
    compiled_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    register_export(monkeypatch)
    model, repository = tmp_path / "model", tmp_path / "repository"
    of_data = ("--data", compiled_data)
    run("training", "fit", *of_data, "--output", model, "--family", "popularity", "--epochs", 1, "--no-tracking")
    offline = run("training", "evaluate", *of_data, "--model", model, *KS)
    written = run("export", "repository", *of_data, "--model", model, "--output", repository, "--no-reference-path")
    hops = {"popularity_ranker", "decode", "popular", "popular_fused"}
    assert hops < written["differences"].keys()
    verified = run("export", "verify", *of_data, "--repository", repository)
    assert verified["differences"] == written["differences"]
    assert list(verified["families"]) == ["popularity"]
    refused = run_in_process("export", "embeddings", *of_data, "--repository", repository, "--output", "u.parquet")
    assert (refused.returncode, refused.stderr.splitlines()) == (
        2,
        [f"naiad: {repository}: is of family popularity, which has no vectors: give a repository of another family"],
    )
    with run_triton(repository, grace_s=0) as server:
        of_model = ("--url", server.grpc_url, "--model", "popular")
        recorded = ("--requests", compiled_data / "requests" / "test")
        served = run("client", "evaluate", *of_model, *recorded, *KS, process=True)
        described = run("client", "describe", *of_model)
    assert served["rows"] == offline["rows"]
    for metric in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate"):
        for k in (5, 10):
            assert served[f"{metric}@{k}"] == pytest.approx(offline[f"{metric}@{k}"], abs=1e-12), metric
    assert served["recall@10"] > 0
    assert described["outputs"].keys() == {"item_id", "score"}
    assert run("export", "configs", "--output", tmp_path / "shipped")["models"].count("popular") == 1
