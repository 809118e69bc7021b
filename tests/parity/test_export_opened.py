"""A repository of another version, or of files that do not go together, is refused before any hop is checked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.commands.opened import job_of, open_repository
from export.errors import RepositoryError
from export.families import NAMES
from export.parity.answers import golden_file
from tests import two_stages, two_tower
from tests.hops import check_hop
from tests.in_process import run_in_process

Body = dict[str, Any]


def of_the_version_before(body: Body) -> None:
    """As naiad 0.8 wrote it: what is a family's stood among what is common."""
    ranking = body.pop("families")["offline_online"]
    body |= {"stored": ranking["about"]["stored"]}
    body["versions"]["naiad"] = "0.8.0"


def without_versions(body: Body) -> None:
    del body["families"], body["versions"]


def of_a_family_to_come(body: Body) -> None:
    body["families"]["gru4rec"] = body["families"]["offline_online"]
    body["versions"]["naiad"] = "7.0.0"


def asked_for_a_family_to_come(body: Body) -> None:
    body["family"] = "gru4rec"
    body["versions"]["naiad"] = "7.0.0"


def without_any_family(body: Body) -> None:
    body["families"] = {}


def without_a_joined_family(body: Body) -> None:
    del body["families"]["two_tower"]


def without_a_size(body: Body) -> None:
    del body["families"]["offline_online"]["plan"]["dim"]


def of_no_kind(body: Body) -> None:
    body["differences"] = "none"


KNOWN = ", ".join(NAMES)
BODIES: list[tuple[Callable[[Body], None], str]] = [
    (of_the_version_before, r"was written by naiad 0\.8\.0, whose repositories .*: export the repository again$"),
    (without_versions, r"was written by another version of naiad, whose .*: export the repository again$"),
    (of_a_family_to_come, rf"family gru4rec was written by naiad 7\.0\.0 .*known are {KNOWN}: .* export the"),
    (asked_for_a_family_to_come, rf"family gru4rec was written by naiad 7\.0\.0 .*known are {KNOWN}: use that version"),
    (without_any_family, r"has no section of its family retrieve_and_rank: export the repository again$"),
    (
        without_a_joined_family,
        r"retrieve_and_rank: joins two_tower, whose section is missing before it: export the repository again$",
    ),
    (without_a_size, r"offline_online: its plan lacks dim: export the repository again$"),
    (of_no_kind, r"differences: .*dictionary.*: export the repository again$"),
]


@pytest.fixture
def copied(compiled_data: Path, tmp_path: Path) -> Path:
    return shutil.copytree(two_stages.repository(compiled_data, *two_tower.EXPORTS[1]), tmp_path / "repository")


def spoil(repository: Path, change: Callable[[Body], None]) -> None:
    body = json.loads((repository / "verify.json").read_text())
    change(body)
    (repository / "verify.json").write_text(json.dumps(body))


@pytest.mark.parametrize(("change", "message"), BODIES)
def test_what_another_version_wrote_is_refused_with_the_version_and_the_remedy(
    copied: Path, change: Callable[[Body], None], message: str
) -> None:
    spoil(copied, change)
    with pytest.raises(RepositoryError, match=f"^{copied}/verify.json: {message}"):
        open_repository(copied)


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "--data", "DATA"],
        ["items", "--data", "DATA"],
        ["stored", "--embeddings", "users.parquet"],
        ["embeddings", "--data", "DATA", "--output", "users.parquet"],
    ],
)
def test_every_command_refuses_the_version_before_in_one_line_and_leaves_it_as_it_was(
    compiled_data: Path, copied: Path, command: list[str]
) -> None:
    spoil(copied, of_the_version_before)
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    name, *words = command
    words = [str(compiled_data) if word == "DATA" else word for word in words]
    done = run_in_process("export", name, "--repository", copied, *words)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"naiad: {copied}/verify.json: was written by naiad 0.8.0, whose repositories")
    assert line.endswith(": export the repository again")
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


def test_golden_rows_of_two_families_that_differ_are_refused(compiled_data: Path, copied: Path) -> None:
    path = copied / golden_file("offline_online")
    table = pq.read_table(path)
    place = table.column_names.index("device")
    pq.write_table(table.set_column(place, "device", pa.array(["another"] * table.num_rows)), path)
    message = rf"^{path}: its golden rows differ from those of golden\.two_tower\.parquet: export the repository again"
    with pytest.raises(RepositoryError, match=message):
        job_of(open_repository(copied), compiled_data, copied, lambda _: None)


def test_a_golden_file_that_lacks_an_answer_is_refused_by_its_name(compiled_data: Path, copied: Path) -> None:
    path = copied / golden_file("two_tower")
    pq.write_table(pq.read_table(path).drop_columns(["torch.user_vector"]), path)
    message = rf"^{path}: has no answers torch\.user_vector: export the repository again$"
    with pytest.raises(RepositoryError, match=message):
        check_hop(copied, compiled_data, "user_tower")
