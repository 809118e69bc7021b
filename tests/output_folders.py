"""Output folders as written by our commands, or by those of earlier versions."""

from pathlib import Path

from stage.manifest import MANIFEST, files_of, read_manifest
from stage.output import whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)


def written(folder: Path, *files: str, command: str = "") -> Path:
    """A folder that `command` wrote."""
    with whole_folder(folder, command=command) as partial:
        for name in files:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_text(name, encoding="utf-8")
    return folder


def filled(folder: Path) -> None:
    folder.mkdir()
    (folder / "stale").touch()


def is_wholly_listed(folder: Path) -> bool:
    """Whether the manifest lists the folder's files, all of them and no other."""
    manifest = read_manifest(folder)
    return manifest is not None and manifest.files == set(files_of(folder))
