"""One family, one folder: what the tree promises to whoever adds the next one."""

import re
from collections.abc import Iterator
from pathlib import Path

from export.families import NAMES

ROOT = Path(__file__).parents[2]
PACKAGES = ("stage", "warehouse", "metrics", "preprocessing", "training", "export", "serving", "client", "benchmarks")
MODELS = ROOT / "model_repository"


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from (ROOT / package).rglob("*.py")


def test_only_its_own_folder_and_the_tuple_name_a_family() -> None:
    words = [word for name in NAMES for word in (name, "".join(part.title() for part in name.split("_")))]
    # "cosine" and "business" do not name sine.
    named = re.compile(rf"(?<![a-zA-Z])({'|'.join(words)})(?![a-z])")
    # "cosine" is not the name of a family, `SineConfig` and `sine_model` are.
    named = re.compile(rf"(?<![A-Za-z])({'|'.join(words)})(?![a-z])")
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in modules("training", "export", "client")
        if named.search(path.read_text(encoding="utf-8"))
    }
    folders = tuple(f"{stage}/families/{name}/" for stage in ("training", "export") for name in NAMES)
    outside = {path for path in naming if not path.startswith(folders)}
    assert outside == {"training/families/__init__.py", "export/families/__init__.py"}


def test_the_folders_of_families_are_the_families() -> None:
    from training import families

    for stage, names in (("export", NAMES), ("training", families.NAMES)):
        folders = {path.parent.name for path in (ROOT / stage / "families").glob("*/__init__.py")}
        assert folders == set(names), stage


def test_a_file_is_read_in_one_sitting() -> None:
    files = [*modules(*PACKAGES), *MODELS.rglob("*.py")]
    lines = {path.relative_to(ROOT).as_posix(): path.read_bytes().count(b"\n") for path in files}
    assert {path: count for path, count in lines.items() if count > 250} == {}
    assert len(lines) > 200


def test_export_has_at_most_ten_rooms() -> None:
    inside = {path.stem for path in (ROOT / "export").glob("*.py")} - {"__init__", "__main__"}
    inside |= {path.parent.name for path in (ROOT / "export").glob("*/__init__.py")}
    assert len(inside) <= 10, sorted(inside)
