"""An output folder lists its files: other files are never deleted with it."""

import os
from pathlib import Path

import pytest

from stage.manifest import MANIFEST, record
from stage.output import OutputError, rewritten_folder, whole_folder
from tests.output_folders import filled, names, written


@pytest.mark.parametrize("foreign", ["notes.txt", "deep/er/notes.txt", ".hidden", "link", "__pycache__/notes.txt"])
def test_a_folder_that_holds_a_file_of_others_is_never_replaced(tmp_path: Path, foreign: str) -> None:
    output = written(tmp_path / "out", "old", "deep/old")
    (output / foreign).parent.mkdir(parents=True, exist_ok=True)
    if foreign == "link":
        (output / foreign).symlink_to(tmp_path)
    else:
        (output / foreign).touch()
    message = f"out: has {foreign}, which naiad did not write: move it away, or give another folder"
    with pytest.raises(OutputError, match=message):
        whole_folder(output, overwrite=True).__enter__()
    with pytest.raises(OutputError, match=r"has files already, give another folder$"):
        whole_folder(output).__enter__()
    assert (output / "old").is_file()
    assert os.path.lexists(output / foreign)


@pytest.mark.parametrize("manifest", [None, "", "[]", '{"files": 3}'])
def test_a_folder_without_a_list_of_its_files_is_never_replaced(tmp_path: Path, manifest: str | None) -> None:
    filled(tmp_path / "out")
    if manifest is not None:
        (tmp_path / "out" / MANIFEST).write_text(manifest, encoding="utf-8")
    with pytest.raises(OutputError, match=r"out: has stale, and no list of the files .* remove the folder yourself"):
        whole_folder(tmp_path / "out", overwrite=True).__enter__()
    assert names(tmp_path / "out") == ["stale"]


def test_what_another_command_wrote_is_not_replaced(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "schema.json", command="preprocessing fit")
    message = "out: was written by `preprocessing fit`, not by `training fit`: give another folder"
    with pytest.raises(OutputError, match=message):
        whole_folder(output, overwrite=True, command="training fit").__enter__()
    assert names(output) == ["schema.json"]


def test_what_appears_by_itself_in_an_output_is_replaced_with_it(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "model.py")
    (output / "__pycache__").mkdir()
    for name in ("__pycache__/model.cpython-311.pyc", ".DS_Store", ".verify.json.partial-12"):
        (output / name).touch()
    with whole_folder(output, overwrite=True):
        pass
    assert names(output) == []


def test_a_file_that_a_command_adds_later_belongs_to_the_output(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "old")
    (output / "later").touch()
    record(output, ["later"])
    with whole_folder(output, overwrite=True):
        pass
    assert names(output) == []


def test_files_that_others_add_while_the_new_output_is_written_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output in (written(tmp_path / "out", "old"), tmp_path / "empty"):
        output.mkdir(exist_ok=True)
        with whole_folder(output, overwrite=True) as folder:
            (folder / "new").touch()
            (output / "notes.txt").touch()
        kept = tmp_path / f"{output.name}.kept-{os.getpid()}"
        assert (kept / "notes.txt").is_file()
        assert names(output) == ["new"]
        assert f"got notes.txt while it was rewritten: the old folder is kept as {kept}" in capsys.readouterr().err


def test_a_rewritten_folder_keeps_the_files_of_others_as_theirs(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "old", "vectors", command="export repository")
    (output / "notes.txt").touch()
    for index in range(2):
        with rewritten_folder(output) as folder:
            (folder / "notes.txt").hardlink_to(output / "notes.txt")
            (folder / MANIFEST).hardlink_to(output / MANIFEST)
            (folder / f"vectors{index}").touch()
        assert names(output) == ["notes.txt", f"vectors{index}"]
    with pytest.raises(OutputError, match=r"out: contains notes\.txt, which naiad did not write"):
        whole_folder(output, overwrite=True, command="export repository").__enter__()
    (output / "notes.txt").unlink()
    with whole_folder(output, overwrite=True, command="export repository"):
        pass


def test_a_rewritten_folder_that_would_lose_a_file_of_others_stays_as_it_was(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "old")
    (output / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"holds notes\.txt, .*: move it out"), rewritten_folder(output) as folder:
        (folder / "new").touch()
    assert names(output) == ["notes.txt", "old"]
    assert names(tmp_path) == ["out"]


def test_a_folder_of_an_earlier_version_is_rewritten(tmp_path: Path) -> None:
    filled(tmp_path / "out")
    with rewritten_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]
