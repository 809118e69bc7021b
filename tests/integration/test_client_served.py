"""The client against a real Triton that serves a model with the interface of `recommend_nvtabular`."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from client import (
    InvalidRequest,
    ModelMismatch,
    Recommendation,
    RecommendClient,
    RequestRefused,
    RequestTimeout,
    ServerUnavailable,
    UnknownModel,
)
from client.cli import main
from metrics import RankingMetrics, target_ranks_from_scores
from serving.server import TritonServer, run_triton

SHOP = "recommend_nvtabular"
K = 30


def write_model(repository: Path, name: str, k: int, max_batch_size: int = 4, score: str = "score") -> None:
    config = ModelConfig(name=name, backend="python", max_batch_size=max_batch_size)
    config.parameters["k"].string_value = str(k)
    inputs = [
        ("household_id", 13, 1),
        ("hour", 9, 1),
        ("basket_value", 11, 1),
        ("style", 11, 3),
        ("recent_items", 13, -1),
    ]
    for tensor, datatype, dim in inputs:
        config.input.add(name=tensor, data_type=datatype, dims=[dim])
    config.output.add(name="item_id", data_type=13, dims=[k])
    config.output.add(name=score, data_type=11, dims=[k])
    config.instance_group.add(count=1, kind="KIND_CPU")
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(text_format.MessageToString(config))
    shutil.copy(Path(__file__).with_name("client_shop_model.py"), repository / name / "1" / "model.py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    repository = tmp_path_factory.mktemp("repository")
    write_model(repository, SHOP, K)
    write_model(repository, "short_list", 5)
    write_model(repository, "no_score", 5, score="points")
    write_model(repository, "no_batches", 5, max_batch_size=0)
    with run_triton(repository) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, server: TritonServer) -> str:
    return server.grpc_url if request.param == "grpc" else server.http_url


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recorded rows in two weeks with nulls, unknown targets and histories of several lengths; an item table."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(5)
    for week in range(2):
        rows = [
            {
                "household_id": f"h{n % 5}" if n % 4 else None,
                "hour": n % 24,
                "basket_value": [None, math.nan, 0.25 * n][n % 3],
                "style": [1.0, 2.0, 3.0] if n % 2 else None,
                "recent_items": [f"ü{i}" for i in generator.integers(0, 50, size=n)] if n != 6 else None,
                "target": [f"ü{i}" for i in generator.choice(55, size=1 + n % 4, replace=False)],
                "user": f"h{n % 5}",
                "time": 1000 * week + n,
            }
            for n in range(11)
        ]
        (folder / "test" / f"week=2017-W0{week + 1}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "test" / f"week=2017-W0{week + 1}" / "part.parquet")
    items = {"item_id": [f"ü{i}" for i in range(50)], "title": [f"Prod[bold]uct {i}" for i in range(50)]}
    pq.write_table(pa.table(items), folder / "items.parquet")
    return folder


def shop_scores(row: dict[str, Any]) -> list[float]:
    """The model's rule, written again: what each of the 50 items scores in float32."""
    value = row["basket_value"] or 0.0
    bonus = 0.0 if math.isnan(value) else value
    history = row["recent_items"] or []
    return [-0.01 * i + (bonus if i % 7 == 0 else 0.0) + history.count(f"ü{i}") for i in range(50)]


def json_line(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    out = capsys.readouterr().out
    return json.loads(out.splitlines()[-1]), out


def test_grpc_and_http_give_the_same_ranked_raw_ids(server: TritonServer) -> None:
    requests = [{"hour": n, "recent_items": ["ü7", "ü3", "ü3"], "basket_value": 0.5} for n in range(9)]
    with RecommendClient(server.grpc_url) as grpc, RecommendClient(server.http_url) as http:
        answers = grpc.recommend(requests)
        assert answers == http.recommend(requests)
    assert len(answers) == 9, "more than one batch of four"
    assert answers[0].item_ids[:3] == ("ü3", "ü7", "ü0")
    assert answers[0].scores[:3] == pytest.approx((1.97, 1.43, 0.5))


def test_each_request_of_a_batch_gets_its_own_answer_whatever_its_history_is_padded_to(url: str) -> None:
    requests = [{"hour": 1, "recent_items": [f"ü{n}"] * (n + 1)} for n in range(20)]
    with RecommendClient(url) as client:
        together = client.recommend(requests)
        alone = [client.recommend([request])[0] for request in requests]
    assert together == alone
    assert [answer.item_ids[0] for answer in together] == [f"ü{n}" for n in range(20)]


def test_empty_slots_are_left_out_of_the_answer(url: str) -> None:
    with RecommendClient(url) as client:
        [answer] = client.recommend([{"household_id": "nobody", "hour": 1}])
        assert client.recommend([]) == []
    assert answer.item_ids == ("ü0", "ü1", "ü2")
    assert len(answer.scores) == 3


def test_an_unknown_model_is_named_by_its_own_error(url: str) -> None:
    with RecommendClient(url, "nope") as client, pytest.raises(UnknownModel, match="no model 'nope' ready"):
        client.recommend([{"hour": 1}])
    with RecommendClient(url) as client, pytest.raises(UnknownModel, match="'nope'"):
        client.infer("nope", {"hour": np.array([[1]])})


def test_what_the_server_refuses_is_refused_for_that_request_alone(url: str) -> None:
    with RecommendClient(url) as client:
        arrays = {"hour": np.array([[1.0]], dtype=np.float32)}
        with pytest.raises(RequestRefused) as refusal:
            client.infer(SHOP, arrays)
        assert not isinstance(refusal.value, UnknownModel)
        with pytest.raises(RequestRefused, match="the shop is shut at hour 98"):
            client.recommend([{"hour": 98}])
        assert client.recommend([{"hour": 1}])[0].item_ids[0] == "ü0"


def test_bad_requests_are_refused_before_they_are_sent(url: str) -> None:
    with RecommendClient(url) as client:
        with pytest.raises(InvalidRequest, match=r"request 1: .* no feature 'hours': it takes household_id, hour,"):
            client.recommend([{"hour": 1}, {"hours": 1}])
        with pytest.raises(InvalidRequest, match="request 0: hour: is missing"):
            client.recommend([{"household_id": "1"}])


def test_an_answer_that_takes_too_long_is_a_timeout_and_the_next_one_is_fine(url: str) -> None:
    with RecommendClient(url, timeout_s=0.5, retries=5) as client:
        _ = client.signature
        started = time.monotonic()
        with pytest.raises(RequestTimeout, match=r"no answer in 0\.5 s"):
            client.recommend([{"hour": 97}])
        assert time.monotonic() - started < 1.4, "timeouts are not repeated"
    with RecommendClient(url) as client:
        assert client.recommend([{"hour": 1}])


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_dead_server_is_unavailable_after_the_retries(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with RecommendClient(f"{scheme}://127.0.0.1:{port}", retries=2) as client:
        started = time.monotonic()
        with pytest.raises(ServerUnavailable, match=f"127.0.0.1:{port} does not answer"):
            client.is_ready()
    assert 0.14 < time.monotonic() - started < 5, "two pauses, of about 0.1 s and 0.2 s"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_goes_and_comes_back_is_waited_for(scheme: str, tmp_path: Path) -> None:
    write_model(tmp_path, SHOP, K)
    with run_triton(tmp_path, grace_s=1.0) as gone:
        address = gone.grpc_url if scheme == "grpc" else gone.http_url
        ports = {"grpc_port": gone.ports.grpc, "http_port": gone.ports.http}
        impatient = RecommendClient(address, retries=0)
        first = impatient.recommend([{"hour": 1}])
    with pytest.raises(ServerUnavailable):
        impatient.recommend([{"hour": 1}])

    def ask_patiently() -> list[Recommendation]:
        with RecommendClient(address, retries=12) as patient:
            return patient.recommend([{"hour": 1}])

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask_patiently)
        with run_triton(tmp_path, **ports, grace_s=1.0):
            assert answer.result(timeout=30) == first
            assert impatient.recommend([{"hour": 1}]) == first
            impatient.close()


def test_a_model_that_is_no_recommender_is_named(url: str) -> None:
    with (
        RecommendClient(url, "no_score") as client,
        pytest.raises(ModelMismatch, match="gives no score but item_id, points"),
    ):
        client.recommend([{"hour": 1}])
    with RecommendClient(url, "no_batches") as client, pytest.raises(ModelMismatch, match="takes no batches"):
        client.recommend([{"hour": 1}])


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
    assert "lists 5 items, fewer than k = 10" in capsys.readouterr().err


def test_recommend_shows_names_beside_what_was_bought_before(
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


def test_health_lists_the_models_of_the_server(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--url", url]) == 0
    values, out = json_line(capsys)
    assert values["ready"] is True
    assert values["models"][SHOP] == "READY"
    assert "short_list" in out


def bench_environment() -> str | None:
    return os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")


@pytest.mark.skipif(bench_environment() is None, reason="perf_analyzer is not on PATH and PERF_ANALYZER is not set")
@pytest.mark.parametrize("batch_size", [1, 3])
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


def test_a_bench_refuses_batches_that_the_model_does_not_take(
    url: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = tmp_path / "perf_analyzer"
    stand_in.write_text("#!/bin/sh\nexit 0\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PERF_ANALYZER", str(stand_in))
    assert main(["bench", "--url", url, "--requests", str(data / "test"), "--batch-size", "5"]) == 2
    message = f"naiad: --batch-size 5: {SHOP} takes at most 4 rows: give fewer\n"
    assert capsys.readouterr().err == message


@pytest.mark.skipif(bench_environment() is None, reason="perf_analyzer is not on PATH and PERF_ANALYZER is not set")
def test_a_bench_whose_requests_fail_says_what_the_server_said(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"hour": [1, 98, 2]}), tmp_path / "rows.parquet")
    arguments = ["bench", "--url", url, "--requests", str(tmp_path / "rows.parquet"), "--seconds", "1"]
    assert main([*arguments, "--concurrency", "1"]) == 2
    assert "the shop is shut at hour 98" in capsys.readouterr().err
