"""No command deletes what it reads, whatever its --output and --overwrite say."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import export.__main__
import preprocessing.__main__
import training.__main__
from stage.output import whole_folder
from tests.exported import checkpoint
from tests.synthetic import write_log


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that refuses its arguments; the one line that it says."""

    def run(main: Callable[[], None], *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["naiad", *map(str, arguments)])
        with pytest.raises(SystemExit) as raised:
            main()
        assert raised.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_fit_deletes_neither_its_log_nor_its_tables(tmp_path: Path, refused: Callable[..., str]) -> None:
    log = write_log(tmp_path / "mine" / "log")
    fit = ["fit", "--schema", log / "schema.toml", "--overwrite"]
    interactions, parts = log / "interactions.parquet", tmp_path / "parts"
    parts.mkdir()
    shutil.copy(interactions, parts / "part-0.parquet")
    for source, output, line in (
        (interactions, log, f"{log}: holds {interactions}, which"),
        (log, tmp_path / "mine", f"{tmp_path / 'mine'}: holds {interactions}, which"),
        (parts, parts / "data", f"{parts / 'data'}: lies in {parts}, which"),
        (f"duckdb://{log}/log.duckdb/interactions", tmp_path / "mine", f"mine: holds {log}/log.duckdb, which"),
    ):
        before = paths(tmp_path)
        said = refused(preprocessing.__main__.main, *fit, "--source", source, "--output", output)
        assert f"{line} this command reads: give another folder" in said
        assert paths(tmp_path) == before


def test_a_fit_deletes_neither_its_tables_nor_its_schema_where_they_lie_elsewhere(tmp_path: Path) -> None:
    from preprocessing.inputs import input_paths
    from preprocessing.log.read import Source
    from preprocessing.schema import load_schema

    log = write_log(tmp_path / "log")
    schema = load_schema(log / "schema.toml")
    items = tmp_path / "elsewhere.parquet"
    assert input_paths(schema, Source(log, items=items), log / "schema.toml") == [
        log / "interactions.parquet", log / "users.parquet", items, log / "schema.toml",
    ]  # fmt: skip
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "part-0.parquet").symlink_to(log / "items.parquet")
    linked = input_paths(schema, Source(log, items=tmp_path / "linked"))
    assert tmp_path / "linked" / "part-0.parquet" in linked
    assert input_paths(schema, Source("postgres://ann@db/shop/log")) == []


def test_a_training_deletes_neither_its_data_nor_its_store(
    tmp_path: Path, synthetic_data: Path, refused: Callable[..., str]
) -> None:
    data = tmp_path / "all" / "data"
    shutil.copytree(synthetic_data, data)
    fit = ["fit", "--data", data, "--overwrite", "--output"]
    before = paths(tmp_path)
    said = refused(training.__main__.main, *fit, tmp_path / "all", "--no-tracking")
    assert said == f"naiad: {tmp_path / 'all'}: holds {data}, which this command reads: give another folder"
    said = refused(training.__main__.main, *fit, data, "--no-tracking")
    assert said == f"naiad: {data}: is what this command reads: give another folder"
    store = tmp_path / "new" / "mlflow.db"
    said = refused(training.__main__.main, *fit, tmp_path / "new", "--tracking-uri", f"sqlite:///{store}")
    assert said == f"naiad: {tmp_path / 'new'}: holds {store}, which this command reads: give another folder"
    shutil.copytree(data, tmp_path / "model.checkpoints")
    before = paths(tmp_path)
    said = refused(
        training.__main__.main,
        *("fit", "--data", tmp_path / "model.checkpoints", "--output", tmp_path / "model", "--no-tracking"),
    )
    assert "model.checkpoints has no checkpoints of naiad: move it away" in said
    assert paths(tmp_path) == before


def test_an_export_deletes_neither_model_nor_data(
    tmp_path: Path, compiled_data: Path, refused: Callable[..., str]
) -> None:
    model, data = tmp_path / "all" / "model", tmp_path / "data"
    shutil.copytree(checkpoint(compiled_data), model)
    shutil.copytree(compiled_data, data)
    before = paths(tmp_path)
    repository = ["repository", "--model", model, "--data", data, "--overwrite", "--output"]
    for output, line in (
        (tmp_path / "all", f"{tmp_path / 'all'}: holds {model}, which"),
        (data, f"{data}: is"),
        (data / "repository", f"{data / 'repository'}: lies in {data}, which"),
    ):
        said = refused(export.__main__.main, *repository, output)
        assert said.startswith(f"naiad: {line}")
        assert said.endswith("this command reads: give another folder")
    assert paths(tmp_path) == before


def test_configs_of_a_schema_are_not_written_over_a_release(tmp_path: Path, refused: Callable[..., str]) -> None:
    with whole_folder(tmp_path / "release", command="export repository") as folder:
        (folder / "verify.json").touch()
    said = refused(export.__main__.main, "configs", "--output", tmp_path / "release")
    assert "release: was written by `export repository`, whose config.pbtxt these would replace" in said
    said = refused(export.__main__.main, "configs", "--output", "/proc/naiad")
    assert said == "naiad: /proc/naiad: cannot be written (No such file or directory), give a folder you may write to"
