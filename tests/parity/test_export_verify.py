"""`export verify` accepts what was exported, refuses what was changed since, and leaves nothing behind that differs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from export.config import read_config
from export.errors import ParityError, RepositoryError
from export.recommend import DECODE, ENCODER, PREPROCESS, RANKER
from export.repository import Options, export_repository, verify_again
from preprocessing.schema import FittedSchema, SchemaError, read_fitted
from stage.output import OutputError
from tests.exported import checkpoint, repository

HOPS = {"torch_parts", "preprocess_nvtabular", "offline_encoder", "online_ranker", "decode", "recommend_nvtabular"}


@pytest.fixture
def copied(synthetic_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(repository(synthetic_data, "onnx"), tmp_path / "repository")


def change_largest(path: Path, by: float) -> None:
    """Add `by` to every number of the largest float initializer."""
    model = onnx.load(path)
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    largest = max(tensors, key=lambda tensor: int(np.prod(tensor.dims)))
    changed = numpy_helper.to_array(largest) + np.float32(by)
    largest.CopyFrom(numpy_helper.from_array(changed, largest.name))
    onnx.save(model, path)


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_every_hop_of_an_export_is_within_the_tolerance(synthetic_data: Path, format: str) -> None:
    written = json.loads((repository(synthetic_data, format) / "verify.json").read_text())  # type: ignore[arg-type]
    assert written["differences"].keys() == HOPS
    assert written["tolerance"] == 1e-4
    assert max(written["differences"].values()) <= 1e-4
    assert written["differences"]["preprocess_nvtabular"] == written["differences"]["torch_parts"] == 0
    assert written["rows"] > 40


def test_an_untouched_repository_is_verified_again(synthetic_data: Path, copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    again = verify_again(copied, synthetic_data)
    assert again["differences"].keys() == HOPS
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_verify_json_holds_what_was_found_last(synthetic_data: Path, copied: Path) -> None:
    change_largest(copied / ENCODER / "1" / "model.onnx", by=1e-8)
    before = json.loads((copied / "verify.json").read_text())
    again = verify_again(copied, synthetic_data)
    assert again == json.loads((copied / "verify.json").read_text())
    assert again["differences"][ENCODER] != before["differences"][ENCODER]
    assert again["differences"]["torch_parts"] == before["differences"]["torch_parts"]
    change_largest(copied / ENCODER / "1" / "model.onnx", by=0.1)
    with pytest.raises(ParityError):
        verify_again(copied, synthetic_data)
    assert again == json.loads((copied / "verify.json").read_text())
    assert list(copied.glob(".*")) == []


@pytest.mark.parametrize("model", [ENCODER, RANKER])
def test_weights_that_were_changed_are_refused_by_the_model_s_name(
    synthetic_data: Path, copied: Path, model: str
) -> None:
    change_largest(copied / model / "1" / "model.onnx", by=1e-3)
    with pytest.raises(ParityError, match=f"^{model}: "):
        verify_again(copied, synthetic_data)


def test_a_vocabulary_that_was_changed_is_refused(synthetic_data: Path, copied: Path) -> None:
    path = copied / DECODE / "1" / "model.onnx"
    model = onnx.load(path)
    names = model.graph.initializer[0].string_data
    names[4], names[5] = names[5], names[4]
    onnx.save(model, path)
    with pytest.raises(ParityError, match=r"^decode: "):
        verify_again(copied, synthetic_data)


def test_a_workflow_of_another_fit_is_refused(synthetic_data: Path, copied: Path) -> None:
    import pandas as pd

    table = copied / PREPROCESS / "1" / "workflow" / "categories" / "unique.city.parquet"
    values = pd.read_parquet(table)
    values["city"] = values["city"].to_numpy()[::-1]
    values.to_parquet(table)
    with pytest.raises(ParityError, match=r"^preprocess_nvtabular: city "):
        verify_again(copied, synthetic_data)


def test_parts_that_are_not_the_whole_are_refused_and_nothing_is_written(synthetic_data: Path, tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint(synthetic_data), tmp_path / "model")
    weights = load_file(model / "offline.safetensors")
    name = next(name for name in weights if name.startswith("combine") and weights[name].dim() == 2)
    save_file({**weights, name: weights[name] + 0.01}, model / "offline.safetensors", metadata={"format": "pt"})
    with pytest.raises(ParityError, match=r"^torch_parts: user_embedding differs"):
        export_repository(model, synthetic_data, tmp_path / "out" / "repository", Options(format="torchscript"))
    assert {path.name for path in tmp_path.iterdir()} <= {"model", "out"}
    assert list(tmp_path.glob("out/*")) == []


def other_fit(folder: Path, fitted: FittedSchema) -> None:
    """Give the schema.json of `folder` to another fit."""
    other = fitted.model_copy(update={"boundaries": {"test": "2031-01-01"}}).sealed()
    (folder / "schema.json").write_text(other.model_dump_json(by_alias=True))


def test_folders_of_different_fits_are_refused_by_their_digests(
    synthetic_data: Path, copied: Path, tmp_path: Path
) -> None:
    fitted = read_fitted(synthetic_data)
    model = shutil.copytree(checkpoint(synthetic_data), tmp_path / "model")
    other_fit(model, fitted)
    with pytest.raises(SchemaError, match=rf"the model in .* made with schema digest .*, the data has {fitted.digest}"):
        export_repository(model, synthetic_data, tmp_path / "out", Options())
    other_fit(copied, fitted)
    with pytest.raises(SchemaError, match=r"the repository in .* was made with schema digest"):
        verify_again(copied, synthetic_data)


def test_folders_that_lack_something_are_refused_in_one_line(
    synthetic_data: Path, copied: Path, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match=r"no schema.json"):
        export_repository(tmp_path, synthetic_data, tmp_path / "out", Options())
    with pytest.raises(OutputError, match="holds files already"):
        export_repository(checkpoint(synthetic_data), synthetic_data, copied, Options())
    data = shutil.copytree(synthetic_data, tmp_path / "data")
    for missing, message in (
        ("workflow", "no saved workflow in .*: give the output folder of `preprocessing fit`"),
        ("item_index.parquet", "item_index.parquet: no such file: run `preprocessing fit` again"),
    ):
        (data / missing).rename(tmp_path / "aside")
        with pytest.raises(RepositoryError, match=message):
            export_repository(checkpoint(synthetic_data), data, tmp_path / "out", Options(format="torchscript"))
        (tmp_path / "aside").rename(data / missing)
    assert not (tmp_path / "out").exists()
    shutil.rmtree(copied / RANKER / "1")
    with pytest.raises(RepositoryError, match=r"no .*online_ranker/1/model.onnx: export the repository again"):
        verify_again(copied, synthetic_data)
    (copied / "golden.parquet").unlink()
    with pytest.raises(RepositoryError, match=r"golden.parquet: cannot be read"):
        verify_again(copied, synthetic_data)


def test_an_answer_holds_no_more_slots_than_there_are_items(synthetic_data: Path) -> None:
    items = read_fitted(synthetic_data).items - 3
    assert items < 100
    assert read_config(repository(synthetic_data, "onnx"), "recommend_nvtabular").outputs[0].dims == (items,)


def test_the_command_tells_a_changed_repository_in_one_line(synthetic_data: Path, copied: Path) -> None:
    change_largest(copied / ENCODER / "1" / "model.onnx", by=0.1)
    command = [sys.executable, "-m", "export", "verify", "--repository", str(copied), "--data", str(synthetic_data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("naiad: offline_encoder: user_embedding differs from the trained")
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
