"""The stored embeddings of a release: its encoder's, replaced completely or not at all, never of another encoder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.commands.embeddings import export_embeddings
from export.commands.stored import replace_stored
from export.commands.verify import verify
from export.data.golden import recorded_rows, request_tensors
from export.errors import ParityError, RepositoryError
from export.families.offline_online.plan import ENCODER
from export.families.offline_online.stored.models import RECOMMEND_STORED, USER_EMBEDDING
from export.families.offline_online.stored.states import States, latest_states
from export.families.offline_online.stored.store import write_store
from export.parity.local import LocalRepository
from export.repository.encoder_digest import encoder_digest
from export.triton.config import read_config
from preprocessing.schema import read_fitted
from stage.errors import BadInput
from tests.exported import repository
from tests.hops import change_largest, check_hop
from tests.in_process import run_in_process
from tests.output_folders import is_wholly_listed

STORE = Path(USER_EMBEDDING, "1", "users.safetensors")


@pytest.fixture
def copied(compiled_data: Path, tmp_path: Path) -> Path:
    # A server that another test ran on it leaves bytecode of its Python models.
    bytecode = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(repository(compiled_data, "onnx"), tmp_path / "repository", ignore=bytecode)


@pytest.fixture(scope="module")
def embeddings(compiled_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embeddings") / "users.parquet"
    export_embeddings(repository(compiled_data, "onnx"), compiled_data, path)
    return path


def states_of(folder: Path, data: Path) -> States:
    return latest_states(LocalRepository(folder), read_fitted(data), data)


def stored_by(result: dict[str, Any]) -> tuple[Any, bool]:
    """What verify.json says of the store, and whether it was replaced."""
    family = result["families"]["offline_online"]
    return family["about"]["stored"], family["plan"]["replaced"]


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_that_was_changed_is_refused(compiled_data: Path, copied: Path) -> None:
    changed = bytearray((copied / STORE).read_bytes())
    changed[-1] ^= 1
    (copied / STORE).write_bytes(changed)
    with pytest.raises(ParityError, match=r"^user_embedding: its store does not match its digest: export the repos"):
        check_hop(copied, compiled_data, USER_EMBEDDING)


def test_states_that_are_not_the_encoder_s_are_refused_though_their_digests_are_right(
    compiled_data: Path, copied: Path
) -> None:
    states, config = states_of(copied, compiled_data), read_config(copied, USER_EMBEDDING)
    digest = encoder_digest(copied, ENCODER)
    assert states.logits is not None
    write_store(config, replace(states, embedding=states.embedding + np.float32(1e-3)), digest, copied)
    with pytest.raises(ParityError, match=r"^user_embedding: user_embedding differs from the encoder by 0.001"):
        check_hop(copied, compiled_data, USER_EMBEDDING)
    write_store(config, replace(states, logits=states.logits + np.float32(1e-3)), digest, copied)
    with pytest.raises(ParityError, match=r"^user_embedding: repeat_logits differs from the encoder by 0.001"):
        check_hop(copied, compiled_data, USER_EMBEDDING)
    write_store(config, replace(states, users=[*states.users[1:], states.users[0]]), digest, copied)
    with pytest.raises(ParityError, match=r"^user_embedding: "):
        check_hop(copied, compiled_data, USER_EMBEDDING)
    write_store(config, replace(states, users=[*states.users[:-1], "nobody"]), digest, copied)
    with pytest.raises(ParityError, match=r"^user_embedding: the state of user '.*' is computed, expected stored: exp"):
        check_hop(copied, compiled_data, USER_EMBEDDING)


def test_an_encoder_that_was_changed_leaves_no_store_of_its_own(compiled_data: Path, copied: Path) -> None:
    change_largest(copied / ENCODER / "1" / "model.onnx", by=1e-8)
    with pytest.raises(ParityError, match=r"^user_embedding: its vectors were made by encoder [0-9a-f]{12}, offline"):
        check_hop(copied, compiled_data, USER_EMBEDDING)


def test_a_model_that_reads_another_user_s_state_is_refused(compiled_data: Path, copied: Path) -> None:
    path = copied / USER_EMBEDDING / "1" / "model.py"
    path.write_text(path.read_text().replace("Row(self._embedding[place]", "Row(self._embedding[place - 1]"))
    with pytest.raises(ParityError, match=r"^user_embedding: user_embedding differs from the encoder"):
        check_hop(copied, compiled_data, USER_EMBEDDING)


def test_a_file_of_embeddings_takes_the_place_of_the_store(compiled_data: Path, copied: Path, embeddings: Path) -> None:
    before = content(copied)
    result = replace_stored(copied, embeddings)
    assert stored_by(result) == ({"users": 24}, True)
    after = content(copied)
    # The same users of the same requests: the same store, but for the size of a batch.
    assert {path for path in before if before[path] != after[path]} <= {
        Path("verify.json"), STORE, Path(USER_EMBEDDING, "config.pbtxt")
    }  # fmt: skip
    assert stored_by(verify(copied, compiled_data)) == ({"users": 24}, True)
    assert is_wholly_listed(copied)


def test_users_that_the_file_has_not_are_computed_and_new_ones_are_stored(
    compiled_data: Path, copied: Path, embeddings: Path, tmp_path: Path
) -> None:
    table = pq.read_table(embeddings)
    gone, *kept = table["user"].to_pylist()
    renamed = table.set_column(0, "user", pa.array(["new 🧍", *kept]))
    pq.write_table(renamed, tmp_path / "other.parquet")
    replace_stored(copied, tmp_path / "other.parquet")
    local, features = LocalRepository(copied), read_fitted(copied).schema_.request_features
    row = recorded_rows(compiled_data, features, 1)[0]
    sources = [
        local.run(RECOMMEND_STORED, request_tensors(features, [{**row, "user_id": user}]))["source"][0, 0]
        for user in (gone, "new 🧍", kept[0])
    ]
    assert sources == [b"computed", b"stored", b"stored"]
    # What is stored is another user's, and no request of this data made it: still a whole store of this encoder.
    assert check_hop(copied, compiled_data, USER_EMBEDDING) < 1e-4
    assert check_hop(copied, compiled_data, RECOMMEND_STORED) < 1e-4


def with_metadata(table: Any, **changes: str) -> Any:
    changed = {key.encode(): value.encode() for key, value in changes.items()}
    return table.replace_schema_metadata({**table.schema.metadata, **changed})


def test_a_file_of_another_encoder_or_fit_is_refused_by_its_digest_and_changes_nothing(
    compiled_data: Path, copied: Path, embeddings: Path, tmp_path: Path
) -> None:
    table, path, before = pq.read_table(embeddings), tmp_path / "other.parquet", content(copied)
    own = encoder_digest(copied, ENCODER)[:12]
    for changed, message in (
        (with_metadata(table, encoder_digest="f" * 64), f"encoder_digest ffffffffffff, the repository .* has {own}: "),
        (with_metadata(table, schema_digest="0" * 16), "schema_digest 000000000000, the repository"),
        (table.replace_schema_metadata({}), "was made with schema_digest unknown"),
    ):
        pq.write_table(changed, path)
        with pytest.raises(
            RepositoryError, match=rf"{message}.*write it with `python -m export embeddings "
        ) as refused:
            replace_stored(copied, path)
    assert content(copied) == before
    assert {each.name for each in tmp_path.iterdir()} == {"other.parquet", "repository"}
    # The remedy is a command that runs once the folder of the data is filled in.
    words = str(refused.value).rpartition("`python -m ")[2].rstrip("`").replace("DATA", str(compiled_data)).split()
    assert run_in_process(*words).returncode == 0
    replace_stored(copied, path)


def test_a_file_whose_rows_are_not_states_is_refused_and_changes_nothing(
    copied: Path, embeddings: Path, tmp_path: Path
) -> None:
    table, path, before = pq.read_table(embeddings), tmp_path / "other.parquet", content(copied)

    def changed(name: str, values: list[Any], kind: Any = None) -> Any:
        place = table.column_names.index(name)
        return table.set_column(place, name, pa.array(values, type=kind or table.schema.field(name).type))

    users, vectors, repeats = (table[name].to_pylist() for name in ("user", "embedding", "repeat_items"))
    widths = pa.list_(pa.float32())
    for other, message in (
        (changed("user", [users[1], *users[1:]]), "a user twice"),
        (changed("user", [None, *users[1:]]), "a row without a user"),
        (changed("user", ["", *users[1:]]), "a row without a user"),
        (
            changed("embedding", [vectors[0][:5], *vectors[1:]], widths),
            "embedding of 5 numbers, the encoder returns 16",
        ),
        (changed("embedding", [[float("nan")] * 16, *vectors[1:]]), "the embedding of user .* is not all numbers"),
        (changed("embedding", [None, *vectors[1:]], widths), "embedding has nulls"),
        (changed("embedding", ["x"] * len(users), pa.string()), "embedding has no lists of numbers"),
        (changed("repeat_items", [[*repeats[0], 3], *repeats[1:]]), "repeat_items and repeat_logits are not those of"),
        (changed("repeat_items", [[10**12 for _ in each] for each in repeats]), "repeat_items and repeat_logits are"),
        (table.drop_columns(["repeat_logits"]), "has no column 'repeat_logits'"),
        (table.slice(0, 0), "has no users"),
    ):
        pq.write_table(other, path)
        with pytest.raises(BadInput, match=message):
            replace_stored(copied, path)
    with pytest.raises(BadInput, match=r"no such file: give the output of `export embeddings`"):
        replace_stored(copied, tmp_path / "absent.parquet")
    assert content(copied) == before


def test_the_command_reports_a_foreign_file_in_one_line(copied: Path, embeddings: Path, tmp_path: Path) -> None:
    pq.write_table(with_metadata(pq.read_table(embeddings), encoder_digest="f" * 64), tmp_path / "other.parquet")
    command = ["export", "stored", "--repository", copied, "--embeddings"]
    done = run_in_process(*command, tmp_path / "other.parquet")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"naiad: {tmp_path / 'other.parquet'}: was made with encoder_digest ffffffffffff, the repos")
    done = run_in_process(*command, embeddings)
    assert stored_by(json.loads(done.stdout.splitlines()[-1])) == ({"users": 24}, True)


def test_the_refusal_of_a_repository_without_a_store_says_how_to_get_one(copied: Path, embeddings: Path) -> None:
    for model in (USER_EMBEDDING, RECOMMEND_STORED):
        shutil.rmtree(copied / model)
    written = json.loads((copied / "verify.json").read_text())
    written["families"]["offline_online"]["plan"]["stored"] = False
    (copied / "verify.json").write_text(json.dumps(written))
    with pytest.raises(RepositoryError, match=r"no user_embedding in .*: export it with --stored-embeddings"):
        replace_stored(copied, embeddings)
