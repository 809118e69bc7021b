"""An output folder is whole or as it was before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stage.output import OutputError, rewritten_folder, whole_folder
from tests.output_folders import filled, names, written

ROOT = Path(__file__).parents[2]


def test_the_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "er" / "out"
    with whole_folder(output) as folder:
        (folder / "a").write_text("1", encoding="utf-8")
        assert not output.exists()
        assert folder.parent == output.parent
    assert (output / "a").read_text(encoding="utf-8") == "1"
    assert names(output.parent) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    def run() -> None:
        with whole_folder(tmp_path / "deep" / "er" / "out") as folder:
            (folder / "half").write_text("1", encoding="utf-8")
            raise error

    with pytest.raises(error):
        run()
    assert names(tmp_path) == []


def test_an_error_leaves_the_old_output_as_it_was(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "old")

    def run() -> None:
        with whole_folder(output, overwrite=True) as folder:
            (folder / "new").touch()
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        run()
    assert names(tmp_path) == ["out"]
    assert names(output) == ["old"]


def test_a_folder_with_files_is_replaced_only_on_request(tmp_path: Path) -> None:
    output = written(tmp_path / "out", "old")
    with pytest.raises(OutputError, match=r"out: holds files already, give another folder or --overwrite"):
        whole_folder(output).__enter__()
    with whole_folder(output, overwrite=True) as folder:
        (folder / "new").touch()
        assert names(output) == ["old"]
    assert names(output) == ["new"]
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with whole_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
    assert names(tmp_path / "out") == ["a"]


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: is a file, give a folder"):
        whole_folder(tmp_path / "file").__enter__()
    with pytest.raises(
        OutputError, match=r"below: cannot be written \(Not a directory\), give a path whose parents are folders"
    ):
        whole_folder(tmp_path / "file" / "below").__enter__()
    with pytest.raises(OutputError, match=r"cannot be written \(File name too long\), give a shorter name"):
        whole_folder(tmp_path / ("o" * 250)).__enter__()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=r"loop: cannot be written \(Too many levels of symbolic links\)"):
        whole_folder(tmp_path / "loop").__enter__()
    (tmp_path / "loop").unlink()
    with pytest.raises(OutputError, match=r"/proc/naiad: cannot be written \(.*\)"):
        whole_folder("/proc/naiad").__enter__()
    assert names(tmp_path) == ["file"]


def test_the_folder_one_works_in_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "sub")
    for output, what in ((tmp_path / "project", "folder you work in"), (Path(".."), "folder"), (Path("/"), "folder")):
        with pytest.raises(OutputError, match=f"holds (the|your home) {what}.*which would be replaced"):
            whole_folder(output, overwrite=True).__enter__()
    for start in (whole_folder, rewritten_folder):
        with pytest.raises(OutputError, match=r"^\.: is the folder you work in, which would be replaced"):
            start(".").__enter__()
    assert names(tmp_path / "project") == ["sub"]


def test_a_home_folder_a_git_checkout_and_a_mount_point_are_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "ann").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ann"))
    for output, verb in ((tmp_path / "home", "holds"), (tmp_path / "home" / "ann", "is")):
        with pytest.raises(OutputError, match=f"{verb} your home folder, which would be replaced"):
            whole_folder(output, overwrite=True).__enter__()
    (written(tmp_path / "checkout", "a") / ".git").touch()
    with pytest.raises(OutputError, match="checkout: is a git checkout, which --overwrite would delete"):
        whole_folder(tmp_path / "checkout", overwrite=True).__enter__()
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(OutputError, match="/dev/shm: is a mount point, which cannot be replaced"):
        whole_folder("/dev/shm", overwrite=True).__enter__()


def test_what_a_killed_run_of_the_same_process_id_left_is_cleared(tmp_path: Path) -> None:
    filled(tmp_path / f".out.partial-{os.getpid()}")
    with whole_folder(tmp_path / "out"):
        pass
    assert names(tmp_path / "out") == []


def test_the_folders_of_killed_runs_are_cleared_and_those_of_living_ones_and_of_others_stay(tmp_path: Path) -> None:
    gone = killed_inside_the_block(tmp_path / "out[1]")
    assert names(tmp_path) == [f".out[1].partial-{gone}"]
    written(tmp_path / f".out[1].replaced-{gone}", "stale")
    others = {
        f".out[1].replaced-0{gone}",
        f".out[1].partial-{os.getppid()}",
        f".out1.partial-{gone}",
        ".out[1].partial-note",
    }
    for name in others:
        filled(tmp_path / name)
    (tmp_path / "out[1]").mkdir()
    with whole_folder(tmp_path / "out[1]"):
        pass
    assert set(names(tmp_path)) == {"out[1]", *others}


def test_an_old_output_that_a_killed_run_had_moved_aside_comes_back(tmp_path: Path) -> None:
    gone = killed_inside_the_block(tmp_path / "out")
    filled(tmp_path / f".out.replaced-{gone}")
    with pytest.raises(OutputError, match="holds files already"):
        whole_folder(tmp_path / "out").__enter__()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["stale"]


def killed_inside_the_block(output: Path) -> int:
    """The process id of a run that SIGKILL ended while it wrote."""
    script = (
        "import os, signal, sys\n"
        "from stage.output import whole_folder\n"
        "with whole_folder(sys.argv[1]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(output)], cwd=ROOT) as run:
        assert run.wait(20) == -signal.SIGKILL
    return run.pid
