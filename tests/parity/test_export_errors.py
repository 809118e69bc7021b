"""Errors of libraries on a damaged repository, damaged data or a full disk become one line with a remedy."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.commands.items import refresh
from export.commands.opened import open_repository
from export.errors import RepositoryError
from export.families.retrieve_and_rank.plan import retrieved_items
from export.parity.declared import require_declared
from export.parity.local import LocalRepository
from export.repository.options import cut_to_catalogue
from export.triton.config import read_config
from preprocessing.schema import read_fitted
from stage.errors import BadInput
from tests import exported, two_tower
from tests.hops import check_hop

Spoil = Callable[[Path], None]
GOLDEN = "golden.offline_online.parquet"


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00\x80" * 16)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


READ: dict[str, Callable[[Path, Path], object]] = {
    "verify.json": lambda repository, _: open_repository(repository),
    GOLDEN: lambda repository, data: check_hop(repository, data, "decode"),
    "decode/config.pbtxt": lambda repository, _: require_declared(repository),
    "decode/1/model.onnx": lambda repository, _: require_declared(repository),
    "offline_encoder/1/model.pt": lambda repository, _: require_declared(repository),
    "user_embedding/1/model.py": lambda repository, data: check_hop(repository, data, "user_embedding"),
    "user_embedding/1/users.safetensors": lambda repository, data: check_hop(repository, data, "user_embedding"),
}
"""What of `export verify` reads a file first."""


@pytest.fixture
def copied(compiled_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exported.repository(compiled_data, "torchscript"), tmp_path / "repository")


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("verify.json", fill_with_bytes, r"verify.json: cannot be read .*: give what `export repository` wrote"),
        ("verify.json", make_folder, r"verify.json: cannot be read .*: give what `export repository` wrote"),
        (GOLDEN, tear, r"golden.offline_online.parquet: cannot be read .*: give what `export repository` wrote"),
        (GOLDEN, make_folder, r"golden.offline_online.parquet: cannot be read .*: give what `export repository` wrote"),
        ("decode/config.pbtxt", fill_with_bytes, r"config.pbtxt: not a config.pbtxt of naiad .*: export the rep"),
        ("decode/config.pbtxt", make_folder, r"config.pbtxt: not a config.pbtxt of naiad .*: export the repository"),
        ("decode/config.pbtxt", empty, r"config.pbtxt: its name is '', expected 'decode': export the repository"),
        ("decode/1/model.onnx", tear, r"model.onnx: ONNX Runtime cannot load it .*: export the repository again"),
        ("decode/1/model.onnx", make_folder, r"no .*decode/1/model.onnx: export the repository again"),
        ("offline_encoder/1/model.pt", tear, r"model.pt: torch cannot load it .*: export the repository again"),
        ("user_embedding/1/model.py", fill_with_bytes, r"model.py: cannot be run .*: export the repository again"),
        ("user_embedding/1/model.py", empty, r"its store cannot be read .*: export the repository again"),
        ("user_embedding/1/users.safetensors", tear, r"its store cannot be read .*: export the repository again"),
    ],
)
def test_a_spoilt_file_of_a_repository_is_named_with_the_remedy(
    compiled_data: Path, copied: Path, name: str, spoil: Spoil, message: str
) -> None:
    spoil(copied / name)
    with pytest.raises(RepositoryError, match=message):
        READ[name](copied, compiled_data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('backend: "onnxruntime"', 'backend: "tensorrt"', "its backend is 'tensorrt', expected one of onnxruntime"),
        ("data_type: TYPE_STRING", "data_type: TYPE_BOOL", r"not a config.pbtxt of naiad \('TYPE_BOOL'\)"),
        ('name: "decode"', 'name: "decoder"', "its name is 'decoder', expected 'decode'"),
        ("dims:", "# dims:", "a tensor of it has no dims"),
        ("output {", "output_ {", "not a config.pbtxt of naiad"),
    ],
)
def test_a_config_edited_by_hand_is_refused_by_what_is_wrong_in_it(
    copied: Path, old: str, new: str, message: str
) -> None:
    path = copied / "decode" / "config.pbtxt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RepositoryError, match=rf"decode/config.pbtxt: {message}.*: export the repository again"):
        read_config(copied, "decode")


def test_a_model_that_fails_is_named_with_what_it_said(compiled_data: Path, copied: Path) -> None:
    """Another repository's model in the place of one, which takes other tensors."""
    other = two_tower.repository(compiled_data, *two_tower.EXPORTS[1])
    shutil.copy2(other / "user_tower" / "1" / "model.pt", copied / "offline_encoder" / "1" / "model.pt")
    local = LocalRepository(copied)
    config = local.config("offline_encoder")
    numpy_types = {"int64": np.int64, "float32": np.float32}
    inputs = {
        each.name: np.ones((1, *(2 if dim == -1 else dim for dim in each.dims)), dtype=numpy_types[each.dtype])
        for each in config.inputs
    }
    with pytest.raises(RepositoryError, match=r"^offline_encoder of .* fails \(.*\): export the repository again$"):
        local.run("offline_encoder", inputs)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("workflow/workflow.pkl", tear),
        ("workflow/metadata.json", empty),
        ("workflow/categories/unique.city.parquet", tear),
    ],
)
def test_a_spoilt_workflow_is_named_with_the_remedy(
    compiled_data: Path, tmp_path: Path, name: str, spoil: Spoil
) -> None:
    data = shutil.copytree(compiled_data, tmp_path / "data")
    spoil(data / name)
    with pytest.raises(BadInput, match=r"workflow.*: (no workflow can be loaded|cannot be read) .*`preproc.*fit"):
        exported.export(exported.checkpoint(compiled_data), data, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_spoilt_workflow_of_the_items_is_named_and_nothing_is_refreshed(compiled_data: Path, tmp_path: Path) -> None:
    data = shutil.copytree(compiled_data, tmp_path / "data")
    repository = shutil.copytree(two_tower.repository(compiled_data, *two_tower.EXPORTS[1]), tmp_path / "repository")
    make_folder(data / "item_workflow" / "workflow.pkl")
    with pytest.raises(RepositoryError, match=r"item_workflow: no workflow can be loaded .*: run `preprocessing fit`"):
        refresh(repository, data)


def test_a_disk_that_takes_no_more_ends_an_export_in_one_line_with_nothing_written(
    compiled_data: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the disk: 30 KB are too few for a TorchScript model."""
    options = "--format torchscript --no-reference-path --no-stored-embeddings"
    command = [sys.executable, "-m", "export", "repository", "--model", str(exported.checkpoint(compiled_data))]
    command += ["--data", str(compiled_data), "--output", str(tmp_path / "out"), *options.split()]
    limited = f"ulimit -f 30; exec {shlex.join(command)}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"naiad: {tmp_path / 'out'}: cannot be written (File too large)")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_more_items_than_there_are_is_cut_with_a_word(compiled_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted = read_fitted(compiled_data)
    items = fitted.items - 3
    assert cut_to_catalogue("--top-k", 500, fitted, "an answer holds") == items
    assert capsys.readouterr().err == f"naiad: --top-k 500: the catalogue has {items} items: an answer holds {items}\n"
    assert retrieved_items(fitted, top_k=5, candidates=10_000) == items
    told = f"naiad: --candidates 10000: the catalogue has {items} items: the ranker is given {items}\n"
    assert capsys.readouterr().err == told
    assert cut_to_catalogue("--top-k", items, fitted, "an answer holds") == items
    assert retrieved_items(fitted, top_k=5, candidates=20) == 20 - 14
    assert capsys.readouterr().err == ""
