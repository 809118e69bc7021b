"""Output folders that are complete or absent: written next to the target, then renamed. Files of others are kept."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stage.inputs import require_apart
from stage.manifest import Manifest, files_of, foreign_files, read_manifest, write_manifest
from stage.write_errors import OutputError as OutputError
from stage.write_errors import cannot_be_written, writing


@contextmanager
def whole_folder(
    output: str | Path, overwrite: bool = False, inputs: Iterable[str | Path] = (), command: str = ""
) -> Iterator[Path]:
    """Yield an empty folder next to `output` that replaces it when the block ends without an error.

    First the leftovers of killed runs are removed, and an old output that such a run had moved aside is restored.

    Args:
        output: The folder to write.
        overwrite: Replace an earlier output of `command`.
        inputs: Every file and folder that the command reads.
        command: The typed command, such as `training fit`; the folder's manifest names it.

    Raises:
        OutputError: Before any work, if `output` is an input, contains one or lies in one; if it has files, unless
            `command` wrote all of them and `overwrite` is true; if it cannot be written or replaced. Later, if a write
            fails.

    """
    target = _real(output)

    def check() -> None:
        require_apart(output, inputs)
        _require_replaceable(target, output)
        _require_own(target, output, overwrite, command)

    with _replacing(target, output, check) as partial:
        yield partial
        write_manifest(partial, Manifest(command, frozenset(files_of(partial))))


@contextmanager
def rewritten_folder(folder: str | Path, inputs: Iterable[str | Path] = ()) -> Iterator[Path]:
    """Do the same as `whole_folder`, for a command that reads `folder` and carries over what it does not change.

    The block also has to carry over files that others added to `folder`; they are not added to the manifest.

    Raises:
        OutputError: As in `whole_folder`; at the end, if a file of others was not carried over.

    """
    target = _real(folder)

    def check() -> None:
        require_apart(folder, inputs, "move it out of there")
        _require_replaceable(target, folder)

    with _replacing(target, folder, check, carries_over=True) as partial:
        yield partial
        if manifest := read_manifest(target):
            if lost := _first_lost(target, partial):
                raise OutputError(f"{folder}: contains {lost}, which naiad did not write: move it out of the folder")
            written = frozenset(files_of(partial)) - frozenset(foreign_files(target))
            write_manifest(partial, Manifest(manifest.command, written))


@contextmanager
def _replacing(
    target: Path, output: str | Path, check: Callable[[], None], carries_over: bool = False
) -> Iterator[Path]:
    try:
        _clear_after_killed_runs(target)
        check()
        missing = [parent for parent in target.parents if not parent.exists()]
        partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
        partial.mkdir(parents=True)
    except OSError as error:
        raise cannot_be_written(output, error) from None
    try:
        with writing(output, partial):
            yield partial
        try:
            _take_place(partial, target, carries_over)
        except OSError as error:
            raise cannot_be_written(output, error) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
        raise


def _real(output: str | Path) -> Path:
    return Path(os.path.realpath(output))


def _clear_after_killed_runs(target: Path) -> None:
    for kind in ("partial", "replaced"):
        for left in target.parent.glob(f".{glob.escape(target.name)}.{kind}-*"):
            pid = left.name.rpartition("-")[2]
            if not pid.isdecimal() or _is_another_run(int(pid)):
                continue
            if kind == "replaced" and not target.exists():
                left.rename(target)
            elif kind == "partial" or not any(foreign_files(left)):
                shutil.rmtree(left, ignore_errors=True)


def _is_another_run(pid: int) -> bool:
    """Return whether the process is alive; folders with this process's own id are from an earlier process."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _require_replaceable(target: Path, output: str | Path) -> None:
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.exists() and not target.is_dir():
        raise OutputError(f"{output}: is a file, give a folder")
    if not target.is_dir():
        return
    places = {"your home folder": _home(), "the current folder": Path.cwd()}
    for what, place in places.items():
        if place is not None and place.resolve().is_relative_to(target):
            verb = "is" if place.resolve() == target else "holds"
            raise OutputError(
                f"{output}: {verb} {what}, which would be replaced: give another folder, or run the command elsewhere"
            )
    if os.path.ismount(target):
        raise OutputError(f"{output}: is a mount point, which cannot be replaced: give a folder inside it")


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # the user of a container may have no home
        return None


def _require_own(target: Path, output: str | Path, overwrite: bool, command: str) -> None:
    """Refuse a folder with files, unless `command` wrote all of them and they are to be replaced."""
    if not target.is_dir():
        return
    refusal = _refusal_to_replace(target, command)
    if not overwrite and (refusal or any(target.iterdir())):
        way = "" if refusal else " or --overwrite"
        raise OutputError(f"{output}: has files already, give another folder{way}")
    if refusal:
        raise OutputError(f"{output}: {refusal}")


def _refusal_to_replace(target: Path, command: str) -> str | None:
    if (target / ".git").exists():
        return "is a git checkout, which --overwrite would delete: give another folder"
    manifest, foreign = read_manifest(target), next(foreign_files(target), None)
    if foreign is None:
        written = manifest.command if manifest else command
        return None if written == command else f"was written by `{written}`, not by `{command}`: give another folder"
    if manifest is None:
        return (
            f"holds {foreign}, and no list of the files that naiad wrote (earlier versions kept none): "
            "remove the folder yourself, or give another one"
        )
    return f"holds {foreign}, which naiad did not write: move it away, or give another folder"


def _take_place(partial: Path, target: Path, carries_over: bool) -> None:
    replaced = target.with_name(f".{target.name}.replaced-{os.getpid()}")
    if target.exists():
        target.rename(replaced)
    try:
        partial.rename(target)
    except OSError:
        if replaced.exists():
            replaced.rename(target)
        raise
    _discard(replaced, target, carries_over)


def _discard(replaced: Path, target: Path, carries_over: bool) -> None:
    """Remove an old output; keep it if others put files into it while the new one was written."""
    unlisted = carries_over and read_manifest(replaced) is None
    late = None if unlisted else _first_lost(replaced, target)
    if late is None:
        shutil.rmtree(replaced, ignore_errors=True)
        return
    kept = target.with_name(f"{target.name}.kept-{os.getpid()}")
    replaced.rename(kept)
    print(f"naiad: {target} got {late} while it was rewritten: the old folder is kept as {kept}", file=sys.stderr)


def _first_lost(old: Path, new: Path) -> str | None:
    """Return the first file of others in `old` that is not in `new`."""
    return next((name for name in foreign_files(old) if not os.path.lexists(new / name)), None)


def make_folder_of(file: Path) -> None:
    """Create the parent folder of `file` if it is missing."""
    try:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_written(file, error) from None
