"""`export verify` accepts what was exported, refuses later changes, and leaves no difference behind."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from safetensors.torch import load_file, save_file

from export.commands.opened import open_repository
from export.commands.verify import verify
from export.errors import ParityError, RepositoryError, UnsupportedWorkflow
from export.families.offline_online.plan import ENCODER, RANKER, RECOMMEND, RECOMMEND_FUSED
from export.triton.config import read_config
from export.triton.plan import DECODE, PREPROCESS, PREPROCESS_NVTABULAR, Format
from preprocessing.schema import FittedSchema, SchemaError, read_fitted
from stage.errors import BadInput
from stage.manifest import MANIFEST
from stage.output import OutputError
from tests.exported import checkpoint, export, repository
from tests.hops import change_largest, check_hop
from tests.in_process import run_in_process
from training.families.config import CheckpointError

ALWAYS = {"torch_parts", "offline_encoder", "online_ranker", "decode", "recommend"}
STORED = {"user_embedding", "recommend_stored"}
COMPILED_STORED = {"preprocess_offline", "preprocess_online", "offline_state"}
NVTABULAR = {"preprocess_nvtabular", "recommend_nvtabular"}
COMPILED = {"preprocess", "preprocess_recorded"}
HOPS = ALWAYS | STORED | COMPILED_STORED | NVTABULAR | COMPILED | {"recommend_fused"}


@pytest.fixture
def copied(compiled_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(repository(compiled_data, "onnx"), tmp_path / "repository")


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
@pytest.mark.parametrize("data", ["compiled_data", "synthetic_data"])
def test_every_hop_of_an_export_is_within_the_tolerance(
    request: pytest.FixtureRequest, data: str, format: Format
) -> None:
    folder = repository(request.getfixturevalue(data), format)
    written = json.loads((folder / "verify.json").read_text())
    differences = written["differences"]
    compiled = data == "compiled_data"
    assert differences.keys() == ALWAYS | STORED | NVTABULAR | (COMPILED | COMPILED_STORED if compiled else set()) | (
        {"recommend_fused"} if compiled and format == "onnx" else set()
    )
    models = {path.parent.name for path in folder.glob("*/config.pbtxt")}
    assert models == differences.keys() - {"torch_parts", "preprocess_recorded"}
    assert written["tolerance"] == 1e-4
    assert max(differences.values()) <= 1e-4
    assert differences["preprocess_nvtabular"] == differences["torch_parts"] == 0
    assert differences.get("preprocess", 0) <= 1e-5
    assert written["rows"] > 40
    assert (written["recorded_rows"] > 20) == compiled
    assert bool(written["not_compiled"]) == (not compiled)


def test_an_untouched_repository_is_verified_again(compiled_data: Path, copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    again = verify(copied, compiled_data)
    assert again["differences"].keys() == HOPS
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_verify_json_holds_what_was_found_last(compiled_data: Path, copied: Path) -> None:
    change_largest(copied / RANKER / "1" / "model.onnx", by=1e-8)
    before = json.loads((copied / "verify.json").read_text())
    again = verify(copied, compiled_data)
    assert again == json.loads((copied / "verify.json").read_text())
    assert again["differences"][RANKER] != before["differences"][RANKER]
    assert again["differences"]["torch_parts"] == before["differences"]["torch_parts"]
    change_largest(copied / ENCODER / "1" / "model.onnx", by=0.1)
    with pytest.raises(ParityError):
        verify(copied, compiled_data)
    assert again == json.loads((copied / "verify.json").read_text())
    assert [path.name for path in copied.glob(".*")] == [MANIFEST]


@pytest.mark.parametrize("model", [ENCODER, RANKER, RECOMMEND_FUSED])
def test_weights_that_were_changed_are_refused_by_the_model_s_name(
    compiled_data: Path, copied: Path, model: str
) -> None:
    change_largest(copied / model / "1" / "model.onnx", by=1e-3)
    with pytest.raises(ParityError, match=f"^{model}: "):
        check_hop(copied, compiled_data, model)


def test_a_vocabulary_that_was_changed_is_refused(compiled_data: Path, copied: Path) -> None:
    path = copied / DECODE / "1" / "model.onnx"
    model = onnx.load(path)
    names = model.graph.initializer[0].string_data
    names[4], names[5] = names[5], names[4]
    onnx.save(model, path)
    with pytest.raises(ParityError, match=r"^decode: "):
        check_hop(copied, compiled_data, DECODE)


def test_a_workflow_of_another_fit_is_refused(compiled_data: Path, copied: Path) -> None:
    import pandas as pd

    table = copied / PREPROCESS_NVTABULAR / "1" / "workflow" / "categories" / "unique.city.parquet"
    values = pd.read_parquet(table)
    values["city"] = values["city"].to_numpy()[::-1]
    values.to_parquet(table)
    with pytest.raises(ParityError, match=r"^preprocess_nvtabular: city "):
        check_hop(copied, compiled_data, PREPROCESS_NVTABULAR)


def test_a_compiled_workflow_that_was_changed_is_refused(compiled_data: Path, copied: Path) -> None:
    path = copied / PREPROCESS / "1" / "model.onnx"
    model = onnx.load(path)
    city = next(node for node in model.graph.node if node.name.startswith("city/encode"))
    ids = next(attribute for attribute in city.attribute if attribute.name == "values_int64s").ints
    ids[-1], ids[-2] = ids[-2], ids[-1]
    onnx.save(model, path)
    with pytest.raises(ParityError, match=r"^preprocess: city "):
        check_hop(copied, compiled_data, PREPROCESS)


def test_a_model_that_was_verified_may_not_be_taken_out(copied: Path) -> None:
    shutil.rmtree(copied / RECOMMEND_FUSED)
    with pytest.raises(RepositoryError, match=r"no recommend_fused in .*: export the repository again"):
        open_repository(copied)


def test_a_repository_without_the_reference_path_and_stored_embeddings_holds_no_pickle_and_no_python(
    compiled_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    result = export(
        checkpoint(compiled_data), compiled_data, folder, {"stored_embeddings": False}, reference_path=False
    )
    assert result["differences"].keys() == HOPS - NVTABULAR - STORED - COMPILED_STORED
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert suffixes == {".onnx", ".pbtxt", ".json", ".parquet"}
    assert verify(folder, compiled_data)["differences"].keys() == HOPS - NVTABULAR - STORED - COMPILED_STORED


def test_a_workflow_that_cannot_be_compiled_is_served_by_nvtabular_or_refused(
    synthetic_data: Path, tmp_path: Path
) -> None:
    folder = repository(synthetic_data, "onnx")
    reason = json.loads((folder / "verify.json").read_text())["not_compiled"]
    assert reason.startswith("bio: ONNX cannot split a text into the same words")
    assert read_config(folder, RECOMMEND).steps[0].model == PREPROCESS_NVTABULAR
    with pytest.raises(UnsupportedWorkflow, match=r"^bio: .*; or serve it with NVTabular: leave out --no-ref.*$"):
        export(checkpoint(synthetic_data), synthetic_data, tmp_path / "out", reference_path=False)
    assert not list(tmp_path.iterdir())


def test_parts_that_are_not_the_whole_are_refused_and_nothing_is_written(compiled_data: Path, tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint(compiled_data), tmp_path / "model")
    weights = load_file(model / "offline.safetensors")
    name = next(name for name in weights if name.startswith("combine") and weights[name].dim() == 2)
    save_file({**weights, name: weights[name] + 0.01}, model / "offline.safetensors", metadata={"format": "pt"})
    with pytest.raises(ParityError, match=r"^torch_parts: user_embedding differs"):
        export(model, compiled_data, tmp_path / "out" / "repository", format="torchscript", reference_path=False)
    assert {path.name for path in tmp_path.iterdir()} <= {"model", "out"}
    assert list(tmp_path.glob("out/*")) == []


def other_fit(folder: Path, fitted: FittedSchema) -> None:
    """Give the schema.json of `folder` to another fit."""
    other = fitted.model_copy(update={"boundaries": {"test": "2031-01-01"}}).sealed()
    (folder / "schema.json").write_text(other.model_dump_json(by_alias=True))


def test_folders_of_different_fits_are_refused_by_their_digests(
    compiled_data: Path, copied: Path, tmp_path: Path
) -> None:
    fitted = read_fitted(compiled_data)
    model = shutil.copytree(checkpoint(compiled_data), tmp_path / "model")
    other_fit(model, fitted)
    with pytest.raises(SchemaError, match=rf"the model in .* made with schema digest .*, the data has {fitted.digest}"):
        export(model, compiled_data, tmp_path / "out")
    other_fit(copied, fitted)
    with pytest.raises(SchemaError, match=r"the repository in .* was made with schema digest"):
        verify(copied, compiled_data)


def test_folders_that_lack_something_are_refused_in_one_line(compiled_data: Path, copied: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model.json"):
        export(tmp_path, compiled_data, tmp_path / "out")
    with pytest.raises(OutputError, match="has files already"):
        export(checkpoint(compiled_data), compiled_data, copied)
    data = shutil.copytree(compiled_data, tmp_path / "data")
    for missing, message in (
        ("workflow", "no saved workflow in .*: give the output folder of `preprocessing fit`"),
        ("item_index.parquet", "item_index.parquet: no such file: run `preprocessing fit` again"),
    ):
        (data / missing).rename(tmp_path / "aside")
        with pytest.raises(BadInput, match=message):
            export(checkpoint(compiled_data), data, tmp_path / "out")
        (tmp_path / "aside").rename(data / missing)
    assert not (tmp_path / "out").exists()
    shutil.rmtree(copied / RANKER / "1")
    with pytest.raises(RepositoryError, match=r"no .*online_ranker/1/model.onnx: export the repository again"):
        verify(copied, compiled_data)
    (copied / "golden.offline_online.parquet").unlink()
    with pytest.raises(RepositoryError, match=r"golden.offline_online.parquet: cannot be read"):
        check_hop(copied, compiled_data, DECODE)


def test_an_answer_holds_no_more_slots_than_there_are_items(compiled_data: Path) -> None:
    items = read_fitted(compiled_data).items - 3
    assert items < 100
    assert read_config(repository(compiled_data, "onnx"), RECOMMEND).outputs[0].dims == (items,)


def test_the_command_reports_a_changed_repository_in_one_line(compiled_data: Path, copied: Path) -> None:
    change_largest(copied / ENCODER / "1" / "model.onnx", by=0.1)
    done = run_in_process("export", "verify", "--repository", copied, "--data", compiled_data)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("naiad: offline_encoder: user_embedding differs from the trained")
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
