"""A next-item repository is made from MODEL alone, and answers whatever history it gets."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from export.commands.verify import verify
from export.errors import GraphError
from export.next_item.plan import NEXT_ITEM, NEXT_ITEM_FUSED
from export.next_item.requests import request_of
from export.parity.local import LocalRepository
from export.triton.tensors import ITEM_ID, SCORE
from metrics.ranking import RankingMetrics
from metrics.ranks import target_ranks_from_lists
from preprocessing.declared import parse_schema
from preprocessing.fit import fit
from preprocessing.schema import FIRST_KNOWN_ID, read_fitted
from tests import next_item
from tests.families import REPOSITORIES, SASREC
from tests.in_process import run_in_process
from training.checkpoint import load_whole
from training.examples.histories import HistoryRows
from training.ranking import model_scorer, rank_split

KS = (2, 5)


@pytest.fixture
def model(compiled_data: Path, tmp_path: Path) -> Path:
    """The folder of a model, without the data of which it was trained."""
    return shutil.copytree(next_item.checkpoint(compiled_data, SASREC), tmp_path / "model")


def test_the_commands_need_the_model_alone_and_refuse_data(model: Path, compiled_data: Path, tmp_path: Path) -> None:
    export = ("export", "repository", "--model", model, "--output", tmp_path / "repository", "--top-k", 1000)
    refused = run_in_process(*export, "--data", compiled_data)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.fullmatch(
        r"naiad: --data .*: sasrec repositories are made from the model alone: leave it out\n", refused.stderr
    )
    done = run_in_process(*export)
    assert done.returncode == 0, done.stderr
    items = read_fitted(model).items - FIRST_KNOWN_ID
    assert f"the catalogue has {items} items: an answer holds {items}" in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["top_k"] == items
    hops = {"history_ids", "sasrec", "decode_next_item", "similar_items", NEXT_ITEM, NEXT_ITEM_FUSED}
    assert result["differences"].keys() == {"torch_parts", *hops}
    verified = run_in_process("export", "verify", "--repository", tmp_path / "repository")
    assert json.loads(verified.stdout.splitlines()[-1])["differences"] == result["differences"]
    refused = run_in_process("export", "verify", "--repository", tmp_path / "repository", "--data", compiled_data)
    assert (refused.returncode, "leave it out" in refused.stderr) == (2, True)
    suffixes = {path.suffix for path in (tmp_path / "repository").rglob("*") if path.is_file()}
    assert suffixes == {".onnx", ".pbtxt", ".json", ".parquet"}


def test_another_family_needs_its_data(compiled_data: Path, tmp_path: Path) -> None:
    from tests.two_tower import checkpoint

    done = run_in_process("export", "repository", "--model", checkpoint(compiled_data), "--output", tmp_path / "out")
    assert done.returncode == 2
    assert re.fullmatch(
        r"naiad: --data: is missing, two_tower repositories need the output folder of .*\n", done.stderr
    )


def test_every_malformed_history_has_a_stated_answer(compiled_data: Path) -> None:
    local = LocalRepository(REPOSITORIES["sasrec"](compiled_data, "onnx"))
    known = local_items(compiled_data)
    histories: list[list[Any]] = [[], [None], ["?"] * 3, known[:1] * 30, known * 3, ["", known[2], None], [known[2]]]
    rows = [{"history": each, "exclude": [], "country": None, "store": None} for each in histories]
    answers = [local.run(name, request_of(rows, ("country", "store"))) for name in (NEXT_ITEM, NEXT_ITEM_FUSED)]
    for answer in answers:
        assert [reason.split(":")[0] for [reason] in answer["reason"]] == ["popular"] * 3 + ["model"] * 4
        assert known[0] not in answer[ITEM_ID][3]
        assert set(answer[ITEM_ID][4]) == {""}, "every item is seen"
        assert answer[ITEM_ID][5].tolist() == answer[ITEM_ID][6].tolist()
    for name, values in answers[0].items():
        np.testing.assert_array_equal(values, answers[1][name])


def local_items(data: Path) -> list[str]:
    from export.data.golden import read_item_ids

    return read_item_ids(data)[FIRST_KNOWN_ID:]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_served_metrics_are_the_offline_metrics(compiled_data: Path, tmp_path: Path, exclude_seen: bool) -> None:
    config = SASREC.model_copy(update={"exclude_seen": exclude_seen})
    checkpoint = next_item.checkpoint(compiled_data, SASREC)
    model = shutil.copytree(checkpoint, tmp_path / "model")
    (model / "model.json").write_text(config.model_dump_json())
    written = next_item.export(model, tmp_path / "repository", top_k=1000)
    assert written["exclude_seen"] == exclude_seen
    fitted = read_fitted(compiled_data)
    rows = HistoryRows(compiled_data, "test", fitted, config.max_length, exclude_seen)
    offline = rank_split(model_scorer(load_whole(model)), rows, KS)
    names = ["", "", "", *local_items(compiled_data)]
    places = np.arange(len(rows))
    batch = HistoryRows(compiled_data, "test", fitted, 10_000).batch(places)
    histories = [[names[each] for each in row if each] for row in batch.features["history"].tolist()]
    requests = request_of([{"history": each, "exclude": []} for each in histories], ())
    answer = LocalRepository(tmp_path / "repository").run(NEXT_ITEM_FUSED, requests)
    encoded = {name: place for place, name in enumerate(names) if name}
    ids = [[encoded.get(item, 0) for item in row] for row in answer[ITEM_ID].tolist()]
    targets = [
        [each if each >= FIRST_KNOWN_ID else -n for n, each in enumerate(row.tolist(), 1)]
        for row in rows.target_lists(places)
    ]
    metrics = RankingMetrics(KS)
    metrics.update(target_ranks_from_lists(ids, answer[SCORE], targets))
    served = metrics.compute()
    for name, value in served.items():
        assert offline[name] == pytest.approx(value, abs=1e-6), name
    assert served["recall@5"] > 0


def test_a_catalogue_of_one_item_is_served(tmp_path: Path) -> None:
    features = [
        {"name": "recent", "kind": "sequence", "side": "context", "source": "recent", "max_length": 5},
        {"name": "item_id", "kind": "categorical", "side": "item", "column": "item", "min_frequency": 2},
    ]
    columns = {"item": "item", "time": "time", "session": "session", "user": "user"}
    body = {
        "name": "one",
        "log": {"columns": columns},
        "split": {"validation_days": 1, "test_days": 1},
        "features": features,
    }
    days = [*pd.date_range("2024-01-01", periods=12)] * 2
    log = pd.DataFrame({"item": "only", "time": days, "session": [f"s{place}" for place in range(24)]})
    log["user"] = ["u"] * 12 + ["v"] * 12
    log.loc[0, "item"] = "rare"
    (tmp_path / "log").mkdir()
    log.to_parquet(tmp_path / "log" / "interactions.parquet")
    fit(parse_schema(body, "one"), tmp_path / "log", tmp_path / "data")
    model = next_item.checkpoint(tmp_path / "data", SASREC)
    written = next_item.export(model, tmp_path / "repository", top_k=100)
    assert written["top_k"] == 1
    rows = [{"history": each, "exclude": []} for each in ([], ["only"], ["?"])]
    answer = LocalRepository(tmp_path / "repository").run(NEXT_ITEM, request_of(rows, ()))
    assert answer[ITEM_ID].tolist() == [["only"], [""], ["only"]]
    assert np.isneginf(answer[SCORE][1, 0])
    assert verify(tmp_path / "repository")["rows"] == written["rows"]


def test_a_verification_without_the_data_of_a_family_that_needs_it_is_refused(compiled_data: Path) -> None:
    with pytest.raises(GraphError, match=r"^--data: is missing, retrieve_and_rank repositories need"):
        verify(REPOSITORIES["two_tower"](compiled_data, "onnx"))


def predicted(repository: Path, folder: Path, lines: list[str], *flags: object, output: str = "out.csv") -> Any:
    (folder / "in.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ("export", "predict", "--repository", repository, "--histories", folder / "in.csv")
    return run_in_process(*command, "--output", folder / output, *flags)


def test_a_file_is_answered_row_by_row_in_its_order_whatever_the_batches_are(
    compiled_data: Path, tmp_path: Path
) -> None:
    repository, known = REPOSITORIES["sasrec"](compiled_data, "torchscript"), local_items(compiled_data)
    histories = [known[:4], [], ["?"], known[2:3], known, [*known[5:9], "?", "?"]]
    lines = ["id,history", *(f"h{place},{'|'.join(each)}" for place, each in enumerate(histories))]
    done = predicted(repository, tmp_path, lines, "--separator", "|", "--batch-size", 2, "--top-k", 3)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["histories"] == 6
    assert result["reasons"] == {"model": 4, "popular: empty history": 1, "popular: no known item": 1}
    rows = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False).to_dict("records")
    assert [row["id"] for row in rows] == ["h0"] * 3 + ["h1"] * 3 + ["h2"] * 3 + ["h3"] * 3 + ["h4"] + ["h5"] * 3
    local = LocalRepository(repository)
    for place, history in enumerate(histories):
        alone = local.run(NEXT_ITEM, request_of([{"history": history, "exclude": []}], ()))
        own = [row for row in rows if row["id"] == f"h{place}"]
        assert [row["item_id"] for row in own if row["rank"] != "0"] == [item for item in alone[ITEM_ID][0][:3] if item]
        assert {row["reason"] for row in own} == {alone["reason"][0, 0]}
        assert float(own[0]["known"]) == pytest.approx(alone["known"][0, 0], abs=1e-5)
    empty = next(row for row in rows if row["id"] == "h4")
    assert (empty["rank"], empty["item_id"], empty["score"]) == ("0", "", "")
    again = predicted(repository, tmp_path, lines)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("family", "flags", "output", "message"),
    [
        ("sasrec", ("--top-k", 8), "out.csv", r"--top-k 8: answers of .* have 7 items: export with more"),
        ("two_tower", (), "out.csv", r".*: is of family retrieve_and_rank, whose requests are not histories"),
        ("sasrec", (), "out.tsv", r"--output .*out.tsv: is neither .parquet nor .csv: give one of them"),
        ("sasrec", (), "in.csv", r".*in.csv: is what this command reads: give another file"),
    ],
)
def test_a_prediction_that_cannot_be_written_is_refused_and_leaves_nothing(
    compiled_data: Path, tmp_path: Path, family: str, flags: tuple[object, ...], output: str, message: str
) -> None:
    repository = REPOSITORIES[family](compiled_data, "onnx")
    done = predicted(repository, tmp_path, ["history", "a"], *flags, output=output)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"naiad: {message}\n", done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_repository_without_vectors_has_no_embeddings(compiled_data: Path, tmp_path: Path) -> None:
    repository = REPOSITORIES["sasrec"](compiled_data, "onnx")
    output = ("--output", tmp_path / "users.parquet")
    done = run_in_process("export", "embeddings", "--repository", repository, "--data", compiled_data, *output)
    assert done.returncode == 2
    assert re.fullmatch(r"naiad: .*: is of family sasrec, which has no vectors: .*\n", done.stderr)
