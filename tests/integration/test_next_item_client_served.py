"""`python -m client` on a server of a next-item model: answers with their reason, and the metrics of its training."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from client.cli import main
from client.recommend_client import RecommendClient
from preprocessing.schema import FIRST_KNOWN_ID, read_fitted
from tests.families import CHECKPOINTS, REPOSITORIES, SASREC
from tests.integration.served import Served
from training.checkpoint import load_whole
from training.examples.histories import HistoryRows
from training.ranking import model_scorer, rank_split

KS = (5, 7)


@pytest.fixture
def served(compiled_data: Path, serve: Callable[..., Served]) -> Served:
    return serve(REPOSITORIES["sasrec"](compiled_data, "onnx"), compiled_data, "sasrec")


def json_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def evaluated(served: Served, capsys: pytest.CaptureFixture[str], requests: Path, *flags: str) -> dict[str, Any]:
    arguments = ["evaluate", "--url", served.server.grpc_url, "--requests", str(requests), "--k", "5,7", *flags]
    assert main(arguments) == 0
    return json_line(capsys)


@pytest.mark.parametrize("model", ["next_item", "next_item_fused"])
def test_evaluate_finds_the_metrics_of_training_evaluate_where_the_model_answers(
    served: Served, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(served, capsys, served.data / "requests" / "test", "--model", model)
    fitted, scorer = read_fitted(served.data), model_scorer(load_whole(CHECKPOINTS["sasrec"](served.data)))
    rows = HistoryRows(served.data, "test", fitted, SASREC.max_length, SASREC.exclude_seen)
    every = np.arange(len(rows))
    answered = every[(rows.batch(every).features["history"] >= FIRST_KNOWN_ID).any(dim=1).numpy()]
    assert found["rows"] == len(rows)
    by_model = found["by_reason"]["model"]
    assert by_model.pop("rows") == len(answered)
    assert by_model == pytest.approx(rank_split(scorer, rows, KS, answered), abs=1e-9)
    assert 0 < by_model["ndcg@7"] < 1
    assert sum(each.get("rows", len(answered)) for each in found["by_reason"].values()) == len(rows)


def test_a_requests_folder_of_another_fit_or_without_its_data_folder_is_refused(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(requests: Path) -> str:
        arguments = ["--url", served.server.grpc_url, "--model", "next_item", "--requests", str(requests)]
        assert main(["evaluate", "--k", "5", *arguments]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    week = next((served.data / "requests" / "test").iterdir())
    assert "whole histories are in sequences.parquet of its data folder: give DATA/requests/<split>" in refusal(week)
    shutil.copytree(served.data, tmp_path / "data")
    copied = tmp_path / "data" / "requests" / "test"
    file = next((copied / week.name).iterdir())
    pq.write_table(pq.read_table(file, partitioning=None).slice(1), file)
    assert f"{tmp_path}/data/sequences.parquet: has other rows than {copied}: run `preprocessing fit` again" in (
        refusal(copied)
    )


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_recommend_takes_a_history_from_the_command_line_and_says_the_reason(
    served: Served, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = served.server.grpc_url if scheme == "grpc" else served.server.http_url
    first, second, third = served.items[:3]

    def answer(*features: list[str], model: str = "next_item") -> tuple[dict[str, Any], str]:
        given = [word for feature in features for word in ("--feature", *feature)]
        assert main(["recommend", "--url", url, "--model", model, "--items", items, *given]) == 0
        out = capsys.readouterr().out
        [found] = json.loads(out.splitlines()[-1])["recommendations"]
        return found, out

    items = str(served.data / "items.parquet")
    known, out = answer(["history", first, "never seen", second, first], ["exclude", third])
    assert (known["reason"], known["known"]) == ("model", 0.75)
    assert "reason: model; 75% of the history known" in " ".join(out.split())
    assert not {first, second, third} & set(known["item_ids"])
    nothing, _ = answer(["history"])
    assert (nothing["reason"], nothing["known"]) == ("popular: empty history", 0.0)
    assert answer(["history"], ["country", "Łand"])[0]["reason"] == "popular by country: empty history"
    similar, out = answer(["item", first], model="similar_items")
    assert similar["reason"] == "model"
    assert "known" not in similar
    assert "bought before" not in out
    assert similar["scores"] == sorted(similar["scores"], reverse=True)
    unknown, _ = answer(["item", "never seen"], model="similar_items")
    assert (unknown["reason"], unknown["item_ids"]) == ("unknown item", [])


def test_recommend_shows_the_whole_history_of_a_recorded_user(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = str(served.data / "requests" / "test")
    url = served.server.grpc_url
    assert main(["recommend", "--url", url, "--model", "next_item", "--requests", requests, "--top", "3"]) == 0
    captured = capsys.readouterr()
    [found] = json.loads(captured.out.splitlines()[-1])["recommendations"]
    assert (found["reason"], found["known"], len(found["item_ids"])) == ("model", 1.0, 3)
    assert "bought before (newest first)" in captured.out


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([["hstory", "A"]], "--feature hstory: next_item has no such feature: give one of history, exclude, country"),
        ([["history", "A"], ["history", "B"]], "--feature history: is given twice: give all its values after one"),
        ([["history"], ["country"]], "--feature country: seen 0 values: give one"),
        ([["history", "\udce9"]], "request 0: history: seen str '\\udce9': give text that is valid unicode"),
        ([["history", "A\0B"]], "request 0: history: has a NUL character"),
    ],
)
def test_bad_features_are_refused_in_one_line(
    served: Served, features: list[list[str]], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word for feature in features for word in ("--feature", *feature)]
    assert main(["recommend", "--url", served.server.grpc_url, "--model", "next_item", *given]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"naiad: {message}")
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_describe_names_the_contexts_the_reason_and_the_known_share(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", "--url", served.server.grpc_url, "--model", "next_item"]) == 0
    described = json_line(capsys)
    assert [feature["name"] for feature in described["features"]] == ["history", "exclude", "country", "store"]
    assert not any(feature["required"] for feature in described["features"])
    assert described["outputs"]["reason"].startswith('string, "model"')
    assert described["outputs"]["known"].startswith("number, share")
    with RecommendClient(served.server.grpc_url, "next_item") as client:
        [answer] = client.recommend([described["request"]])
    assert (answer.reason, answer.known) == ("popular: no known item", 0.0)
    assert main(["describe", "--url", served.server.grpc_url, "--model", "similar_items"]) == 0
    assert json_line(capsys)["request"] == {"item": "a item"}
