"""The check of a running server, which is meant for NVIDIA's image, on the embedded server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.check_server import TOLERANCE, check_server, compare
from client.recommend_client import Recommendation
from serving.server import TritonServer, run_triton
from tests.exported import repository
from tests.in_process import run_in_process


@pytest.fixture(scope="module")
def folder(compiled_data: Path) -> Path:
    return repository(compiled_data, "onnx")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[TritonServer]:
    with run_triton(folder, grace_s=0) as running:
        yield running


def test_every_path_gives_torch_s_answers_to_golden_rows_and_the_same_to_recorded_ones(
    server: TritonServer, folder: Path, compiled_data: Path
) -> None:
    compared = check_server(server.grpc_url, folder, compiled_data, recorded=20)
    assert {(each.rows_from, each.model) for each in compared} == {
        (rows_from, model)
        for rows_from in ("golden", "recorded")
        for model in ("recommend", "recommend_fused", "recommend_nvtabular")
    }
    assert all(each.rows and not each.other_items and each.largest <= TOLERANCE for each in compared)


def test_the_command_ends_with_its_verdict_as_json(server: TritonServer, folder: Path, compiled_data: Path) -> None:
    folders = ("--repository", folder, "--data", compiled_data)
    done = run_in_process("benchmarks.check_server", "--url", server.http_url, "--rows", "5", *folders)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ok"] is True


def test_other_items_and_other_scores_are_counted_and_ties_are_not() -> None:
    expected = [Recommendation(("a", "b", "c"), (3.0, 2.0, 2.0))]
    assert compare(expected, expected) == (0, 0.0)
    assert compare([Recommendation(("a", "c", "b"), (3.0, 2.0, 2.0))], expected) == (0, 0.0)
    assert compare([Recommendation(("a", "b", "d"), (3.0, 2.0, 2.0))], expected) == (0, 0.0)
    assert compare([Recommendation(("b", "a", "c"), (3.0, 2.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("d", "b", "c"), (3.0, 2.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("a", "b"), (3.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("a", "b", "c"), (3.3, 2.0, 2.0))], expected) == (1, pytest.approx(0.1))
