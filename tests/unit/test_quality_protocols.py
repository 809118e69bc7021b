"""`python -m benchmarks.quality`: every shipped protocol is valid, and a run goes from the log to the line of JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from benchmarks.quality import protocol as protocols
from benchmarks.quality.measured import Measured, Setting, settings_of
from benchmarks.quality.prepared import prepared
from benchmarks.quality.protocol import ProtocolError, flags_of, names, read_protocol
from benchmarks.quality.report import table
from preprocessing.schema import load_schema
from tests.in_process import run_in_process
from tests.shipped_logs import diginetica, movielens, movielens_1m
from training import families


@pytest.mark.parametrize("name", names())
def test_every_shipped_protocol_has_a_schema_flags_and_metrics(name: str) -> None:
    protocol = read_protocol(name)
    for split, keys in protocol.splits.items():
        assert protocol.schema_of(split).split.kind == keys["kind"]
    for family in protocol.families:
        assert family in families.NAMES
        config, settings = flags_of(protocol, family, {})
        assert settings_of(protocol, "any", config)[0].seen == protocol.exclude_seen[0]
        assert settings.validation_rows > 0
    assert all(set(each.metrics) <= set(protocol.metrics) for each in protocol.references)
    assert len(protocol.splits) > 1 or protocol.missing, "say why there is no second split"


def one_line(name: str, *words: object) -> tuple[dict[str, Any], str]:
    done = run_in_process("benchmarks.quality.__main__", name, *words)
    assert done.returncode == 0, done.stderr
    *shown, last = done.stdout.splitlines()
    return json.loads(last), "\n".join(shown)


def test_a_run_prints_a_table_and_the_means_over_its_seeds(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    source = movielens(tmp_path / "log")
    words = (
        "--source",
        source,
        "--runs",
        tmp_path / "runs",
        "--epochs",
        1,
        "--set",
        "dim=8",
        "--set",
        "best_by=ndcg@5",
    )
    found, shown = one_line("ml-100k-time", *words, "--seeds", 3, 5)
    assert (found["split"], found["seeds"], found["family"]) == ("time", [3, 5], "sasrec")
    assert [other["split"] for other in found["also"]] == ["leave_one_out"]
    for part in (found, *found["also"]):
        assert [run["seed"] for run in part["per_seed"]] == [3, 5]
        for metric in ("ndcg@10", "hit_rate@10"):
            assert part[metric] == pytest.approx(mean(run[metric] for run in part["per_seed"]), abs=1e-4)
        assert {"popularity", "popularity_7_days"} <= set(part["baselines"])
        assert all("ndcg@5" in run["validation"] for run in part["per_seed"])
    for words_shown in ("leave one out", "popularity", "days", "sasrec", "ndcg@10", "hit_rate@10"):
        assert words_shown in shown


def test_another_family_is_measured_on_the_same_rows_without_filtering(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    source = movielens(tmp_path / "log")
    words = ("--source", source, "--runs", tmp_path / "runs", "--epochs", 1, "--seeds", 1, "--splits", "time")
    found, _ = one_line("ml-100k-time", *words, "--family", "two_tower", "--set", "dim=8", "--set", "best_by=ndcg@5")
    assert (found["family"], found["exclude_seen"], found["also"]) == ("two_tower", None, [])


def test_session_figures_have_the_names_of_the_papers(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    words = ("--source", diginetica(tmp_path / "log"), "--runs", tmp_path / "runs", "--epochs", 1, "--seeds", 1)
    found, shown = one_line("diginetica", *words, "--set", "dim=8", "--set", "best_by=mrr@2")
    assert found["precision@20"] == 1.0  # the hit rate among 8 items; hits / 20 would be 0.05
    assert 0 < found["mrr@20"] < 1
    assert [each["name"] for each in found["reference"]] == ["STAMP", "SR-GNN", "TAGNN", "GCE-GNN"]
    assert "precision@20 of the papers is hit_rate@20 here" in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("nope",), "no protocol 'nope': give one of amazon-beauty, "),
        (("ml-1m", "--set", "width=3"), "width: is not a flag of sasrec, the flags are dim, "),
        (("ml-1m", "--set", "dim"), "--set 'dim': is not KEY=VALUE"),
        (("ml-1m", "--set", "seed=3"), "--set 'seed=3': use --seeds"),
        (("ml-1m", "--set", "dim=many"), "dim: Input should be a valid integer"),
        (("ml-1m", "--splits", "time"), "--splits time: ml-1m has the splits leave_one_out"),
        (("ml-1m", "--source", "nowhere"), "nowhere: no such file"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    done = run_in_process("benchmarks.quality.__main__", *words, "--runs", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_data_are_fitted_again_only_for_another_log_or_schema(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    source, schema = movielens_1m(tmp_path / "log"), load_schema("movielens_1m")
    data = prepared(schema, source, tmp_path / "runs")
    written = (data / "schema.json").stat().st_mtime_ns
    assert prepared(schema, source, tmp_path / "runs") == data
    assert (data / "schema.json").stat().st_mtime_ns == written
    assert prepared(schema.with_split("sessions"), source, tmp_path / "runs") != data
    (source / "interactions.parquet").write_bytes((source / "interactions.parquet").read_bytes() + b"x")
    with pytest.raises(Exception, match="cannot be read"):
        prepared(schema, source, tmp_path / "runs")


def test_a_model_is_evaluated_in_each_way_of_filtering_and_shown_in_columns_of_its_own() -> None:
    protocol = read_protocol("amazon-beauty")
    config, _ = flags_of(protocol, "sasrec", {})
    settings = settings_of(protocol, "leave_one_out", config)
    assert settings == [Setting("leave_one_out", True), Setting("leave_one_out", False)]
    models = {each: {1: {"ndcg@10": 0.05, "hit_rate@10": 0.1}} for each in settings}
    measured = Measured([], models, {each: {} for each in settings}, {"leave_one_out": 3})
    headers = [str(column.header) for column in table(protocol, "sasrec", measured).columns]
    assert headers[1:5] == [
        f"leave one out\n{filtering}\n{metric}"
        for filtering in ("seen filtered", "seen kept")
        for metric in ("ndcg@10", "hit_rate@10")
    ]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    monkeypatch.setattr(protocols, "FOLDER", tmp_path)
    text = (Path(__file__).parents[2] / "benchmarks" / "quality" / "ml-1m.toml").read_text(encoding="utf-8")

    def write(old: str, new: str) -> None:
        assert old in text
        (tmp_path / "x.toml").write_text(text.replace(old, new), encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("exclude_seen = [true]", "exclude_seen = []", "x.toml: exclude_seen: Tuple should have at least 1 item"),
        ('"ndcg@10" = "ndcg@10"', '"ndcg@10" = "auc"', "x.toml: metrics.ndcg@10: String should match pattern"),
        ('"ndcg@10" = "ndcg@10"', '"ndcg@5" = "ndcg@5"', r"a reference has \['ndcg@10'\], which \[metrics\]"),
        ("0.1341", "13.41", "references.0.metrics.ndcg@10: Input should be less than 1"),
    ],
)
def test_a_malformed_protocol_is_refused(written: Callable[[str, str], None], old: str, new: str, words: str) -> None:
    written(old, new)
    with pytest.raises(ProtocolError, match=words):
        read_protocol("x")
