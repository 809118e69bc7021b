"""The manifest of an output folder: which command wrote it, and which files.

It is a hidden file at the folder's top, which Triton passes by. What is not on it was put there by somebody else, and
is never deleted with the folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MANIFEST = ".naiad.json"
_PARTIAL = re.compile(r"\..+\.partial-\d+")


@dataclass(frozen=True)
class Manifest:
    """`command`: as it is typed, such as `training fit`. `files`: their paths inside the folder, with `/`."""

    command: str
    files: frozenset[str]


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest; None where there is none that can be read."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(str(body["command"]), frozenset(map(str, body["files"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it whole; a hard link of another folder's manifest is replaced, not written through."""
    partial = folder / f".{MANIFEST}.partial-{os.getpid()}"
    body = {"command": manifest.command, "files": sorted(manifest.files)}
    try:
        partial.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)
    finally:
        partial.unlink(missing_ok=True)


def record(folder: Path, names: Iterable[str]) -> None:
    """Add files that a command of ours wrote into a folder later; nothing where the folder has no manifest."""
    if manifest := read_manifest(folder):
        write_manifest(folder, Manifest(manifest.command, manifest.files | frozenset(names)))


def files_of(folder: Path) -> Iterator[str]:
    """The paths of all that is no folder, sorted, links to folders included; without the manifest itself.

    Left out is what appears by itself and is nobody's work: Python's bytecode, .DS_Store, what a killed command of
    ours left half-written.
    """
    for at, folders, files in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = (Path(at) / name).relative_to(folder)
            if path.as_posix() != MANIFEST and not _appears_by_itself(path):
                yield path.as_posix()


def foreign_files(folder: Path) -> Iterator[str]:
    """The paths of the files that the folder's manifest does not list; all of them where there is none."""
    manifest = read_manifest(folder)
    listed = manifest.files if manifest else frozenset()
    return (name for name in files_of(folder) if name not in listed)


def _appears_by_itself(path: Path) -> bool:
    in_cache = path.parent.name == "__pycache__" and ".pyc" in path.name
    return in_cache or path.name == ".DS_Store" or _PARTIAL.fullmatch(path.name) is not None
