"""The pure parts of `benchmarks.serving`: which windows count, the ratios, the repository it writes, the figure."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.serving_in_process import time_calls
from benchmarks.serving_plot import SERVED, WITHOUT_SERVER, draw
from benchmarks.serving_repository import add_identities
from benchmarks.serving_results import Cell, best_windows, ratios, to_json
from client.perf_analyzer import Measurement
from export.triton.config import ModelConfig, read_config, to_text
from export.triton.tensors import Tensor
from tests.in_process import run_in_process

MEASURED = {
    Cell("fused_in_process", 0): Measurement(200, 300, 5000),
    Cell("fused_in_process_paced", 0): Measurement(250, 400, 4000),
    Cell("preprocess_in_process", 0): Measurement(50, 60, 20000),
    Cell("nvtabular_in_process", 0): Measurement(20000, 30000, 50),
    **{Cell("identity_small", n): Measurement(300 * n, 500 * n, 3000) for n in (1, 4, 16)},
    **{Cell("identity", n): Measurement(400 * n, 600 * n, 2500) for n in (1, 4, 16)},
    **{Cell("recommend_fused", n): Measurement(650 * n, 900 * n, 1500) for n in (1, 4, 16)},
    **{Cell("recommend", n): Measurement(1500 * n, 1900 * n, 700) for n in (1, 4, 16)},
    **{Cell("recommend_nvtabular", n): Measurement(30000 * n, 40000 * n, 28) for n in (1, 4, 16)},
}


def test_of_the_windows_of_a_cell_the_one_with_the_lowest_p50_counts_whole() -> None:
    slow, quick = Measurement(20, 21, 50), Measurement(10, 90, 40)
    cell, other, before = Cell("a", 4), Cell("b", 1), Cell("a", 1)
    best = best_windows([(cell, slow), (other, slow), (before, slow), (cell, quick), (other, slow)])
    assert list(best.items()) == [(before, slow), (cell, quick), (other, slow)]


def test_the_ratios_are_those_of_the_issue_and_know_whether_they_hold() -> None:
    above, paced, latency, throughput, floor = ratios(MEASURED)
    assert (above.reached, above.holds) == (1.25, True)
    assert (latency.reached, latency.holds) == (20.0, True)
    assert (throughput.reached, throughput.holds) == (25.0, True)
    assert (paced.reached, paced.target) == (1.0, None)
    assert floor.reached == 2500 / 28
    slower = MEASURED | {
        Cell("recommend_fused", 1): Measurement(701, 900, 1500),
        Cell("recommend", 1): Measurement(3001, 4000, 330),
        Cell("recommend", 16): Measurement(24000, 30000, 550),
    }
    assert [each.holds for each in ratios(slower)] == [False, True, False, False, True]


def test_the_line_of_json_has_a_row_a_cell_and_every_ratio() -> None:
    line = to_json(MEASURED, ratios(MEASURED))
    assert line["rows"][0] == {
        "name": "fused_in_process", "concurrency": 0, "p50_us": 200, "p99_us": 300, "per_second": 5000,
    }  # fmt: skip
    assert len(line["rows"]) == len(MEASURED)
    assert line["ratios"] == {
        "fused_above_identity": 1.25,
        "fused_above_identity_paced": 1.0,
        "p50_compiled": 20.0,
        "throughput_compiled": 25.0,
        "throughput_identity": 89.286,
    }


def test_the_identities_take_the_requests_and_give_the_answers_that_they_say(tmp_path: Path) -> None:
    model = tmp_path / "exported" / "recommend"
    model.mkdir(parents=True)
    inputs = (Tensor("recent_items", "string", (-1,)), Tensor("hour", "int64", (1,)))
    outputs = (Tensor("item_id", "string", (100,)), Tensor("score", "float32", (100,)))
    (model / "config.pbtxt").write_text(to_text(ModelConfig("recommend", "ensemble", 64, inputs, outputs)))
    (tmp_path / "exported" / "verify.json").write_text("{}")

    add_identities(tmp_path / "exported", tmp_path / "made", like="recommend")

    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["identity", "identity_small", "recommend"]
    identity, small = (read_config(tmp_path / "made", name) for name in ("identity", "identity_small"))
    assert (identity.inputs, identity.outputs, identity.max_batch_size) == (inputs, outputs, 64)
    assert (small.inputs, small.outputs) == ((Tensor("value", "float32", (1,)),), outputs)
    assert {identity.backend, small.backend} == {"python"}
    assert (tmp_path / "made" / "identity" / "1" / "model.py").is_file()


def test_calls_are_timed_in_turn_and_in_microseconds() -> None:
    made = []
    measured = time_calls([lambda: made.append("a"), lambda: (made.append("b"), time.sleep(0.004))], 0.1)
    assert made[2:6] == ["a", "b", "a", "b"]
    assert measured.p99_us >= 4000
    assert 0 < measured.per_second < 1000


def test_the_figure_names_every_model_and_is_the_same_bytes_again(tmp_path: Path) -> None:
    draw(MEASURED, tmp_path / "one.svg")
    draw(MEASURED, tmp_path / "two.svg")
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    for look in (*SERVED.values(), *WITHOUT_SERVER.values()):
        assert look.label in text
    assert "<dc:date>" not in text
    assert len(text) < 50_000


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--seconds", "nan"], ["--repository", "nowhere"]])
def test_a_bad_argument_is_one_line(arguments: list[str]) -> None:
    ran = run_in_process("benchmarks.serving", *arguments)
    assert ran.returncode == 2
    assert ran.stderr.startswith("naiad: ")
    assert len(ran.stderr.splitlines()) == 1
