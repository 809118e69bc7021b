"""The manifest of an output folder: the command that wrote it, and its files.

It is a hidden file at the top of the folder, which Triton ignores. Files that it does not list were put there by others
and are never deleted with the folder.
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
    """`command`: the typed command, such as `training fit`. `files`: their paths inside the folder, with `/`."""

    command: str
    files: frozenset[str]


def read_manifest(folder: Path) -> Manifest | None:
    """Return the folder's manifest; None if there is no readable one."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(str(body["command"]), frozenset(map(str, body["files"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest atomically; a hard link to another folder's manifest is replaced, not written through."""
    partial = folder / f".{MANIFEST}.partial-{os.getpid()}"
    body = {"command": manifest.command, "files": sorted(manifest.files)}
    try:
        partial.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)
    finally:
        partial.unlink(missing_ok=True)


def record(folder: Path, names: Iterable[str]) -> None:
    """Add files that our command wrote to a folder later; do nothing if the folder has no manifest."""
    if manifest := read_manifest(folder):
        write_manifest(folder, Manifest(manifest.command, manifest.files | frozenset(names)))


def files_of(folder: Path) -> Iterator[str]:
    """Return the sorted paths of everything that is not a folder, including links to folders, without the manifest.

    Files that appear by themselves are left out: Python's bytecode, .DS_Store, half-written files of a killed command
    of ours.
    """
    for at, folders, files in os.walk(folder):
        folders.sort()
        links = [name for name in folders if (Path(at) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = (Path(at) / name).relative_to(folder)
            if path.as_posix() != MANIFEST and not _appears_by_itself(path):
                yield path.as_posix()


def foreign_files(folder: Path) -> Iterator[str]:
    """Return the paths of the files that the folder's manifest does not list; all files if there is no manifest."""
    manifest = read_manifest(folder)
    listed = manifest.files if manifest else frozenset()
    return (name for name in files_of(folder) if name not in listed)


def _appears_by_itself(path: Path) -> bool:
    in_cache = path.parent.name == "__pycache__" and ".pyc" in path.name
    return in_cache or path.name == ".DS_Store" or _PARTIAL.fullmatch(path.name) is not None
