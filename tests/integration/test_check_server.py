"""The check of a running server, which is meant for NVIDIA's image, on the embedded server."""

import json

import pytest

from benchmarks.check_server import TOLERANCE, compare
from client.recommend_client import Recommendation
from tests.in_process import run_in_process
from tests.integration.served import RANKERS, Served


@pytest.mark.parametrize("served", RANKERS[:1], indirect=True, ids="-".join)
def test_every_path_gives_torch_s_answers_to_golden_rows_and_the_same_to_recorded_ones(served: Served) -> None:
    folders = ("--repository", served.repository, "--data", served.data)
    done = run_in_process("benchmarks.check_server", "--url", served.server.http_url, "--rows", "20", *folders)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["ok"] is True
    assert {(each["rows_from"], each["model"]) for each in verdict["rows"]} == {
        (rows_from, model)
        for rows_from in ("golden", "recorded")
        for model in ("recommend", "recommend_fused", "recommend_nvtabular")
    }
    for each in verdict["rows"]:
        assert each["rows"] == (len(served.golden.rows) if each["rows_from"] == "golden" else 20)
        assert not each["other_items"]
        assert each["largest"] <= TOLERANCE


def test_other_items_and_other_scores_are_counted_and_ties_are_not() -> None:
    expected = [Recommendation(("a", "b", "c"), (3.0, 2.0, 2.0))]
    assert compare(expected, expected) == (0, 0.0)
    assert compare([Recommendation(("a", "c", "b"), (3.0, 2.0, 2.0))], expected) == (0, 0.0)
    assert compare([Recommendation(("a", "b", "d"), (3.0, 2.0, 2.0))], expected) == (0, 0.0)
    assert compare([Recommendation(("b", "a", "c"), (3.0, 2.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("d", "b", "c"), (3.0, 2.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("a", "b"), (3.0, 2.0))], expected) == (1, 0.0)
    assert compare([Recommendation(("a", "b", "c"), (3.3, 2.0, 2.0))], expected) == (1, pytest.approx(0.1))
