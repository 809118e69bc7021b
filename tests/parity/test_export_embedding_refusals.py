"""`export embeddings` refuses in one line with a remedy, and leaves nothing behind."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.commands.embeddings import export_embeddings
from export.errors import RepositoryError
from preprocessing.schema import SchemaError, read_fitted
from stage.errors import BadInput
from stage.output import OutputError
from tests import exported, two_tower
from warehouse.errors import AddressError, ConnectionRefused, WarehouseError

Refusal = tuple[str, dict[str, Any], type[BadInput], str]
REFUSALS: list[Refusal] = [
    (
        "users.csv",
        {},
        OutputError,
        "is neither a file nor a warehouse, give FILE.parquet, FILE.duckdb or a warehouse's URL",
    ),
    ("postgres://", {}, AddressError, "names no warehouse, give duckdb:///FILE"),
    ("mysql://host/db", {}, ConnectionRefused, "vectors are stored only in DuckDB, PostgreSQL or BigQuery"),
    ("postgres://ann:secret@127.0.0.1:1/db", {}, ConnectionRefused, r"^postgres://ann@127\.0\.0\.1:1/db: connection "),
    ("h.duckdb", {"run": ""}, WarehouseError, "the run is empty: give it a name"),
    ("h.duckdb", {"experiment": ""}, WarehouseError, "the experiment is empty: give it a name"),
    (
        "h.duckdb",
        {"kind": "user"},
        OutputError,
        "--kind user is for a Parquet file: a run in a warehouse contains every",
    ),
    ("u.parquet", {"run": "may"}, OutputError, "--run may is for a run in a warehouse, leave it out"),
    ("u.parquet", {"experiment": "x"}, OutputError, "--experiment x is for a run in a warehouse, leave it out"),
    (
        "h.duckdb",
        {"family": "two_tower"},
        RepositoryError,
        "^--family two_tower: .* has no vectors of it: give --family offline_online, or a repository of two_tower$",
    ),
    ("u.parquet", {"kind": "item"}, RepositoryError, "is read as offline_online, whose items have no vectors"),
]


@pytest.mark.parametrize(("output", "flags", "error", "message"), REFUSALS)
def test_what_cannot_be_is_refused_in_a_line_and_leaves_nothing(
    compiled_data: Path, tmp_path: Path, output: str, flags: dict[str, Any], error: type[BadInput], message: str
) -> None:
    output = output if "://" in output else str(tmp_path / output)
    with pytest.raises(error, match=message) as raised:
        export_embeddings(exported.repository(compiled_data, "onnx"), compiled_data, output, **flags)
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_what_the_embeddings_are_made_of(compiled_data: Path) -> None:
    repository = exported.repository(compiled_data, "onnx")
    for folder in (repository, compiled_data):
        before = sorted(folder.rglob("*"))
        for name in ("schema.json", "users.parquet", "history.duckdb"):
            output = folder / name if name != "schema.json" else folder / name / "users.parquet"
            with pytest.raises(OutputError, match=f"{name}.*: lies in {folder}, which this command reads"):
                export_embeddings(repository, compiled_data, output, overwrite=True)
        assert sorted(folder.rglob("*")) == before


def no_item_vectors(folder: Path) -> None:
    (folder / "item_vectors.npy").unlink()


def narrow_item_vectors(folder: Path) -> None:
    np.save(folder / "item_vectors.npy", np.load(folder / "item_vectors.npy")[:, :5])


def another_fit(folder: Path) -> None:
    fitted = read_fitted(folder).model_copy(update={"boundaries": {}}).sealed()
    (folder / "schema.json").write_text(fitted.model_dump_json(by_alias=True))


def no_verify(folder: Path) -> None:
    (folder / "verify.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (no_item_vectors, RepositoryError, "item_vectors.npy: cannot be read"),
        (narrow_item_vectors, RepositoryError, r"item_vectors.npy: has vectors \[\d+, 5\], expected \[\d+, 12\]"),
        (another_fit, SchemaError, "schema digest"),
        (no_verify, RepositoryError, "verify.json: cannot be read"),
    ],
)
def test_a_spoilt_repository_is_refused_before_a_warehouse_is_made(
    compiled_data: Path, tmp_path: Path, spoil: Callable[[Path], None], error: type[BadInput], message: str
) -> None:
    folder = shutil.copytree(two_tower.repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    spoil(folder)
    with pytest.raises(error, match=message):
        export_embeddings(folder, compiled_data, tmp_path / "new" / "history.duckdb")
    assert not (tmp_path / "new").exists()


def test_without_the_extra_a_line_names_it(
    compiled_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ibis", None)
    with pytest.raises(WarehouseError, match="Ibis is not installed: install naiad's extra `warehouse`"):
        export_embeddings(exported.repository(compiled_data, "onnx"), compiled_data, tmp_path / "history.duckdb")
    assert list(tmp_path.iterdir()) == []
