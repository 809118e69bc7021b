"""`python -m client` against a real Triton, with recorded rows on disk."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client.cli import main
from client.errors import PerfAnalyzerMissing
from client.perf_analyzer import find_perf_analyzer
from metrics import RankingMetrics, target_ranks_from_scores
from serving.server import TritonServer
from tests.integration.client_shop import SHOP, K, shop_scores, write_data

BESIDE = Path(__file__).parents[3] / "shared" / "tools" / "perf_analyzer"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture
def perf_analyzer(monkeypatch: pytest.MonkeyPatch) -> str:
    """What `client bench` finds, or else the program that may lie beside the checkout; without either, a skip."""
    try:
        return find_perf_analyzer()
    except PerfAnalyzerMissing as missing:
        if not BESIDE.is_file():
            pytest.skip(str(missing))
    monkeypatch.setenv("PERF_ANALYZER", str(BESIDE))
    return find_perf_analyzer()


@pytest.fixture
def perf_analyzer_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found as perf_analyzer, for what is refused before anything is measured."""
    stand_in = tmp_path / "perf_analyzer"
    stand_in.write_text("#!/bin/sh\nexit 0\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PERF_ANALYZER", str(stand_in))
    return stand_in


def json_line(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    out = capsys.readouterr().out
    return json.loads(out.splitlines()[-1]), out


def test_evaluate_prints_the_metrics_that_the_catalogue_wide_scores_have(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pq.read_table(data / "test").to_pylist()
    scores = np.array([shop_scores(row) for row in rows], dtype=np.float32)
    expected = RankingMetrics(ks=(5, 10))
    expected.update(target_ranks_from_scores(scores, [[int(t[1:]) for t in row["target"]] for row in rows]))
    assert main(["evaluate", "--url", url, "--requests", str(data / "test"), "--k", "5,10"]) == 0
    values, out = json_line(capsys)
    assert values.pop("rows") == 22
    assert values.pop("rows_per_second") > 0
    assert values == pytest.approx(expected.compute(), abs=1e-9)
    assert f"{values['ndcg@5']:.4f}" in out


def test_evaluate_refuses_a_k_that_the_model_does_not_list(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--url", url, "--requests", str(data / "test"), "--model", "short_list", "--k", "10"]
    assert main(arguments) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert "short_list: lists 5 items, fewer than k = 10: give --k of at most 5; if the catalogue has" in err


@pytest.mark.usefixtures("perf_analyzer_stand_in")
@pytest.mark.parametrize(
    ("command", "column"),
    [
        ("evaluate", "household_id"),
        ("evaluate", "recent_items"),
        ("evaluate", "target"),
        ("bench", "basket_value"),
        ("recommend", "basket_value"),
    ],
)
def test_recorded_rows_that_lack_a_column_are_refused_rather_than_sent_as_nulls(
    url: str,
    data: Path,
    command: str,
    column: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pq.read_table(data / "test", partitioning=None).drop_columns([column]), path)
    arguments = [command, "--url", url, "--requests", str(path), *(["--user", "h3"] * (command == "recommend"))]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith(f"naiad: {path}: has no column {column!r}: give DATA/requests/")
    assert captured.out == ""


def test_recommend_shows_names_next_to_earlier_purchases(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["recommend", "--url", url, "--requests", str(data / "test"), "--user", "h3", "h1"]
    assert main([*arguments, "--items", str(data / "items.parquet"), "--top", "4"]) == 0
    result, out = json_line(capsys)
    assert [shown["user"] for shown in result["recommendations"]] == ["h3", "h1"]
    newest = pq.read_table(data / "test", filters=[("user", "=", "h3"), ("time", ">", 1000)]).to_pylist()[-1]
    ranked = sorted(range(50), key=lambda i: -np.float32(shop_scores(newest)[i]))
    assert result["recommendations"][0]["item_ids"] == [f"ü{i}" for i in ranked[:4]]
    assert f"Prod[bold]uct {ranked[0]}" in out, "names are shown as they are, not read as markup"
    assert f"Prod[bold]uct {newest['recent_items'][-1][1:]}" in out


def test_recommend_takes_a_request_file(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "request.json").write_text('{"hour": 9, "recent_items": ["ü11"]}')
    assert main(["recommend", "--url", url, "--request", str(tmp_path / "request.json"), "--top", "1"]) == 0
    assert json_line(capsys)[0]["recommendations"][0]["item_ids"] == ["ü11"]


def test_top_beyond_the_answer_and_a_user_who_was_not_named_are_said_in_a_line_each(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["recommend", "--url", url, "--requests", str(data / "test"), "--top", "400"]
    assert main([*arguments, "--model", SHOP]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out.splitlines()[-1])
    assert [(shown["user"], len(shown["item_ids"])) for shown in result["recommendations"]] == [("h0", K)]
    assert captured.err.splitlines() == [
        "note: no --user: showing the newest row of h0, others are h1, h2, h3, h4",
        f"note: --top 400: {SHOP} lists {K} items, so at most {K} are shown",
    ]


def test_the_first_sequence_of_the_model_is_shown_unless_another_is_named(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["recommend", "--url", url, "--requests", str(data / "test"), "--user", "h3", "--top", "1"]
    assert main([*arguments, "--history", "recent_items"]) == 0
    named = capsys.readouterr().out
    assert main(arguments) == 0
    assert capsys.readouterr().out == named
    assert main([*arguments, "--history", "hour"]) == 2
    assert capsys.readouterr().err == (
        f"naiad: --history hour: {SHOP} has no such sequence: give one of recent_items\n"
    )


@pytest.mark.parametrize("command", ["health", "describe"])
def test_the_other_ports_of_the_server_get_one_line(
    shop: TritonServer, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = shop.ports
    for scheme, port in (("http", ports.grpc), ("http", ports.metrics), ("grpc", ports.http), ("grpc", ports.metrics)):
        url = f"{scheme}://127.0.0.1:{port}"
        assert main([command, "--url", url, "--retries", "0"]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"naiad: {url}")
        assert f"give the {'gRPC' if scheme == 'grpc' else 'HTTP'} port of `serving up`" in captured.err
        assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_a_terminal_that_is_not_utf8_shows_what_it_can_and_gets_every_id_as_json(
    url: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["recommend", "--url", url, "--requests", str(data / "test"), "--user", "h3"]) == 0
    shown = written.getvalue().decode("ascii")
    items = json.loads(shown.splitlines()[-1])["recommendations"][0]["item_ids"]
    assert f"?{items[0].removeprefix('ü')}" in shown
    assert items[0].startswith("ü")


def test_a_nul_is_refused_by_name_before_anything_is_sent(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "request.json").write_text(json.dumps([{"hour": 9}, {"hour": 9, "household_id": "2223\0junk"}]))
    assert main(["recommend", "--url", url, "--request", str(tmp_path / "request.json")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("naiad: request 1: household_id: has a NUL character (str '2223\\x00junk')")
    assert captured.out == ""


def test_health_lists_the_models_of_the_server(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--url", url]) == 0
    values, out = json_line(capsys)
    assert values["ready"] is True
    assert values["models"][SHOP] == "READY"
    assert "short_list" in out


@pytest.mark.usefixtures("perf_analyzer")
@pytest.mark.parametrize(("url", "batch_size"), [("grpc", 1), ("http", 3)], indirect=["url"])
def test_bench_measures_recorded_rows_with_perf_analyzer(
    url: str, data: Path, batch_size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "--url", url, "--requests", str(data / "test"), "--model", f"{SHOP},short_list"]
    arguments += ["--concurrency", "1,4", "--seconds", "1", "--batch-size", str(batch_size)]
    assert main(arguments) == 0, capsys.readouterr().err
    rows = json_line(capsys)[0]["rows"]
    assert [(row["name"], row["concurrency"]) for row in rows] == [
        (SHOP, 1),
        (SHOP, 4),
        ("short_list", 1),
        ("short_list", 4),
    ]
    for row in rows:
        assert set(row) == {"name", "concurrency", "p50_us", "p99_us", "per_second"}
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["per_second"] == pytest.approx(row["concurrency"] * batch_size * 1e6 / row["p50_us"], rel=0.9)


@pytest.mark.usefixtures("perf_analyzer_stand_in")
def test_a_bench_refuses_batches_that_the_model_does_not_take(
    url: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--url", url, "--requests", str(data / "test"), "--batch-size", "5"]) == 2
    message = f"naiad: --batch-size 5: {SHOP} takes at most 4 rows: give fewer\n"
    assert capsys.readouterr().err == message


@pytest.mark.usefixtures("perf_analyzer")
def test_a_bench_whose_requests_fail_says_what_the_server_said(
    url: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = pq.read_table(data / "test", partitioning=None).slice(0, 3)
    place = rows.column_names.index("hour")
    pq.write_table(rows.set_column(place, "hour", pa.array([1, 98, 2])), tmp_path / "rows.parquet")
    arguments = ["bench", "--url", url, "--requests", str(tmp_path / "rows.parquet"), "--seconds", "1"]
    assert main([*arguments, "--concurrency", "1"]) == 2
    assert "the shop is shut at hour 98" in capsys.readouterr().err
