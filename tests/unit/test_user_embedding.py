"""`user_embedding`: states from the store and from the encoder, their width, and refusals."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from export.families.offline_online.plan import RankingPlan
from export.families.offline_online.stored import store
from export.families.offline_online.stored.models import USER_EMBEDDING, named, stored_configs
from export.families.offline_online.stored.states import States
from export.families.offline_online.stored.store import write_store
from export.parity.python_models import load_module
from export.repository.members import COMMITTED
from export.triton.config import TRITON_DTYPES, ModelConfig, read_config
from preprocessing.schema import load_schema
from tests.synthetic import schema_toml

DIM = 4
USERS = ["u1", "\x00", "用户 2", "u1 ", "käse\U0001f9c0", "x" * 300]
"""Ids that look alike, and a long one."""
ENCODER = "e" * 64

Arrays = dict[str, np.ndarray[Any, Any]]
Requests = Callable[..., list[Any]]


def states(users: list[str], repeats: list[int]) -> States:
    """User `n` has the embedding [n, n, n, n] and `repeats[n]` repeats, of items 3, 4, ... with logits n.0, n.1, ..."""
    embedding = np.repeat(np.arange(len(users), dtype=np.float32)[:, None], DIM, axis=1)
    items = np.concatenate([3 + np.arange(count, dtype=np.int32) for count in repeats])
    logits = np.concatenate([n + np.arange(count, dtype=np.float32) / 10 for n, count in enumerate(repeats)])
    return States(users, embedding, np.cumsum(repeats), items, logits)


def config(max_batch_size: int = 8, compiled: bool = False, schema: str = "generic") -> ModelConfig:
    plan = RankingPlan(load_schema(schema), DIM, max_batch_size=max_batch_size, digest="0123", compiled=compiled)
    return next(each for each in stored_configs(plan) if each.name == USER_EMBEDDING)


def as_json(about: ModelConfig) -> dict[str, Any]:
    return {
        "max_batch_size": about.max_batch_size,
        "input": [
            {"name": tensor.name, "data_type": TRITON_DTYPES[tensor.dtype], "dims": list(tensor.dims)}
            for tensor in about.inputs
        ],
        "output": [{"name": tensor.name} for tensor in about.outputs],
        "parameters": {key: {"string_value": value} for key, value in about.parameters.items()},
    }


def opened(folder: Path, run_model: Any = None) -> Any:
    """What the server runs, over the store in `folder`; without `run_model` nobody may be absent."""
    version = folder / USER_EMBEDDING / "1"
    module = load_module(version / "model.py", USER_EMBEDDING)
    return module.UserEmbedding(as_json(read_config(folder, USER_EMBEDDING)), version, run_model)


def encoder(batches: list[int]) -> Any:
    """Stands for `offline_encoder`: embedding = user_id.encoded, repeats = recent, a hole of padding, frequent."""

    def run(model: str, inputs: Arrays, outputs: list[str]) -> Arrays:
        assert model == "offline_encoder"
        assert outputs == ["user_embedding", "repeat_items", "repeat_logits"]
        batches.append(len(inputs["user_id.encoded"]))
        if (inputs["user_id.encoded"] < 0).any():
            raise RuntimeError("an id below 0")
        items = np.concatenate([inputs["recent_items.encoded"], inputs["frequent_items.encoded"]], axis=1)
        embedding = np.repeat(inputs["user_id.encoded"].astype(np.float32), DIM, axis=1)
        return {
            "user_embedding": embedding,
            "repeat_items": items,
            "repeat_logits": np.where(items > 0, items / 10, -1e4).astype(np.float32),
        }

    return run


def request(users: list[str], ids: int = 7, recent: int = 2, frequent: int = 1) -> Arrays:
    rows = len(users)
    padding = np.zeros((rows, 1), dtype=np.int64)
    return {
        "user_id": np.array([[user.encode()] for user in users], dtype=np.object_),
        "user_id.encoded": np.full((rows, 1), ids, dtype=np.int64),
        "recent_items.encoded": np.c_[np.full((rows, recent), 8), padding].astype(np.int64),
        "frequent_items.encoded": np.c_[np.full((rows, frequent), 9), padding].astype(np.int64),
    }


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_store(config(), states(USERS, [3, 0, 1, 2, 0, 20]), ENCODER, tmp_path)
    return tmp_path


def test_a_stored_user_gets_the_stored_state_whatever_else_is_sent(written: Path) -> None:
    model = opened(written)
    for place, user in enumerate(USERS):
        [answer] = model.answer_requests([{"user_id": np.array([[user.encode()]], dtype=np.object_)}])
        assert answer["source"].tolist() == [[b"stored"]]
        np.testing.assert_array_equal(answer["user_embedding"], [[place] * DIM])
    assert answer["user_embedding"].dtype == answer["repeat_logits"].dtype == np.float32
    assert answer["repeat_items"].dtype == np.int64
    assert answer["repeat_items"][0, :21].tolist() == [*range(3, 23), 0]
    np.testing.assert_allclose(answer["repeat_logits"][0, :21], [*(5 + n / 10 for n in range(20)), -1e4], rtol=1e-6)


def test_an_unknown_user_is_computed_without_the_padding_between_sequences(written: Path) -> None:
    model = opened(written, encoder([]))
    for user in ("", "u2", "U1", "u", "u1\x00", "用户", "never seen"):
        [answer] = model.answer_requests([request([user], ids=42)])
        assert answer["source"].tolist() == [[b"computed"]]
        np.testing.assert_array_equal(answer["user_embedding"], [[42] * DIM])
        assert answer["repeat_items"].tolist() == [[8, 8, 9, 0, 0, 0, 0, 0]]
        np.testing.assert_allclose(answer["repeat_logits"], [[0.8, 0.8, 0.9, *[-1e4] * 5]], rtol=1e-6)


def test_no_user_has_the_empty_id_even_if_a_store_contains_it(tmp_path: Path) -> None:
    write_store(config(), states(["", "u"], [1, 1]), ENCODER, tmp_path)
    [answer] = opened(tmp_path, encoder([])).answer_requests([request(["", "u"])])
    assert answer["source"].tolist() == [[b"computed"], [b"stored"]]


def test_bytes_that_are_not_text_are_a_user_who_is_not_stored(written: Path) -> None:
    asked = request(["u1"])
    asked["user_id"][0, 0] = b"\xff\xfe"
    assert opened(written, encoder([])).answer_requests([asked])[0]["source"].tolist() == [[b"computed"]]


def test_all_absent_users_of_all_requests_are_computed_in_one_batch_and_rows_keep_their_order(written: Path) -> None:
    batches: list[int] = []
    model = opened(written, encoder(batches))
    answers = model.answer_requests(
        [
            request(["a", "u1", "b"], ids=50, recent=2),
            request(["用户 2"], ids=51),
            request(["c", "u1 "], ids=52, recent=9, frequent=3),
        ]
    )
    assert batches == [3]
    sources = [[row.decode() for row in answer["source"][:, 0]] for answer in answers]
    assert sources == [["computed", "stored", "computed"], ["stored"], ["computed", "stored"]]
    assert [answer["user_embedding"][:, 0].tolist() for answer in answers] == [[50, 0, 50], [2], [52, 3]]
    assert [(answer["repeat_items"] > 0).sum(axis=1).tolist() for answer in answers] == [[3, 3, 3], [1], [12, 2]]
    # One width for all, so that they batch behind.
    assert {answer[name].shape[1] for answer in answers for name in ("repeat_items", "repeat_logits")} == {16}


def test_raw_features_of_absent_users_go_to_the_encoder_padded_and_null_where_a_request_has_none(
    tmp_path: Path,
) -> None:
    write_store(config(compiled=True), states(["u1"], [1]), ENCODER, tmp_path)
    seen: list[Arrays] = []

    def run(model: str, inputs: Arrays, _: list[str]) -> Arrays:
        assert model == "offline_state"
        seen.append(inputs)
        nothing = np.zeros((len(inputs["user_id"]), 1))
        return {"user_embedding": nothing.repeat(DIM, 1), "repeat_items": nothing, "repeat_logits": nothing}

    def strings(*rows: list[bytes]) -> Any:
        return np.array(rows, dtype=np.object_)

    answers = opened(tmp_path, run).answer_requests(
        [
            {"user_id": strings([b"u1"])},
            {"user_id": strings([b"a"], [b"u1"]), "recent_items": strings([b"x", b"y"], [b"z", b"z"])},
            {
                "user_id": strings([b"b"]),
                "recent_items": strings([b"v"]),
                "frequent_items": strings([b"w", b"w", b"w"]),
            },
        ]
    )
    assert [answer["source"][:, 0].tolist() for answer in answers] == [
        [b"stored"],
        [b"computed", b"stored"],
        [b"computed"],
    ]
    [inputs] = seen
    assert {name: values.tolist() for name, values in inputs.items()} == {
        "user_id": [[b"a"], [b"b"]],
        "recent_items": [[b"x", b"y"], [b"v", b""]],
        "frequent_items": [[b"", b"", b""], [b"w", b"w", b"w"]],
    }
    # Triton sends anything else as its str(): numpy.bytes_ would be the item "b''".
    assert {type(each) for values in inputs.values() for each in values.ravel()} == {bytes}


def test_what_a_request_leaves_out_is_null_in_every_type(tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text(schema_toml(texts=False), encoding="utf-8")
    about = config(compiled=True, schema=str(tmp_path / "schema.toml"))
    write_store(about, states(["u1"], [1]), ENCODER, tmp_path)
    seen: list[Arrays] = []

    def run(_: str, inputs: Arrays, __: list[str]) -> Arrays:
        seen.append(inputs)
        raise RuntimeError("seen enough")

    opened(tmp_path, run).answer_requests([{"user_id": np.array([[b"a"]], dtype=np.object_)}])
    assert {tensor.name for tensor in about.inputs} == seen[0].keys()
    for tensor in about.inputs:
        assert seen[0][tensor.name].shape == (1, max(1, tensor.dims[0]))
    assert seen[0]["tier"].tolist() == [[-(2**63)]]
    assert np.isnan(seen[0]["age"]).all()
    assert seen[0]["taste"].tolist() == [[0.0] * 4]
    assert seen[0]["city"].tolist() == seen[0]["recent"].tolist() == [[b""]]


def test_a_batch_is_no_larger_than_the_encoder_takes(tmp_path: Path) -> None:
    write_store(config(max_batch_size=2), states(["u"], [1]), ENCODER, tmp_path)
    batches: list[int] = []
    [answer] = opened(tmp_path, encoder(batches)).answer_requests([request(list("abcde"))])
    assert batches == [2, 2, 1]
    assert len(answer["source"]) == 5


def test_the_width_is_never_above_what_a_state_can_have(tmp_path: Path) -> None:
    longest = 100  # 50 recent and 50 frequent items
    write_store(config(), states(["short", "long"], [0, longest]), ENCODER, tmp_path)
    model = opened(tmp_path)
    widths = [
        model.answer_requests([{"user_id": np.array([[user]], dtype=np.object_)}])[0]["repeat_items"].shape[1]
        for user in (b"short", b"long")
    ]
    assert widths == [8, longest]


def test_a_request_that_the_encoder_refuses_does_not_hurt_the_others(written: Path) -> None:
    model = opened(written, encoder([]))
    refused, stored, computed = model.answer_requests([request(["a"], ids=-1), request(["u1"]), request(["b"])])
    assert str(refused) == "a user is not in the store, and offline_encoder cannot compute it: an id below 0"
    assert (stored["source"][0, 0], computed["source"][0, 0]) == (b"stored", b"computed")
    assert model.answer_requests([]) == []


def test_ids_of_one_hash_do_not_get_each_other_s_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_colliding(path: Path, model: str) -> ModuleType:
        module: Any = load_module(path, model)
        module.hash_id = lambda user: np.uint64(len(user) % 2)
        return module  # type: ignore[no-any-return]

    monkeypatch.setattr(store, "load_module", load_colliding)
    users = ["a", "bb", "c", "dd", "e"]
    write_store(config(), states(users, [1, 2, 3, 4, 5]), ENCODER, tmp_path)
    version = tmp_path / USER_EMBEDDING / "1"
    module = load_colliding(version / "model.py", USER_EMBEDDING)
    model = module.UserEmbedding(as_json(read_config(tmp_path, USER_EMBEDDING)), version, encoder([]))
    [answer] = model.answer_requests([request([*users, "f", "gg"], ids=99)])
    assert answer["user_embedding"][:, 0].tolist() == [0, 1, 2, 3, 4, 99, 99]
    assert (answer["repeat_items"][:5] > 0).sum(axis=1).tolist() == [1, 2, 3, 4, 5]


def test_a_model_without_repeats_has_a_store_of_embeddings_alone(tmp_path: Path) -> None:
    about = config(schema="movielens")
    assert [tensor.name for tensor in about.outputs] == ["user_embedding", "source"]
    write_store(about, States(["1", "2"], np.eye(2, DIM, dtype=np.float32)), ENCODER, tmp_path)
    [answer] = opened(tmp_path).answer_requests([{"user_id": np.array([[b"2"], [b"1"]], dtype=np.object_)}])
    assert answer.keys() == {"user_embedding", "source"}
    np.testing.assert_array_equal(answer["user_embedding"], [[0, 1, 0, 0], [1, 0, 0, 0]])


def test_a_store_of_another_encoder_is_not_loaded(written: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_store(config(), states(USERS, [3, 0, 1, 2, 0, 20]), "f" * 64, other)
    file = Path(USER_EMBEDDING, "1", "users.safetensors")
    (written / file).write_bytes((other / file).read_bytes())
    with pytest.raises(
        ValueError, match=r"users.safetensors has encoder_digest ffffffffffff, this release has eeeeeee"
    ):
        opened(written)


def test_a_store_that_config_pbtxt_does_not_name_is_not_loaded(
    written: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write_store(config(), states(USERS, [3, 0, 1, 2, 0, 19]), ENCODER, other)
    file = Path(USER_EMBEDDING, "1", "users.safetensors")
    (written / file).write_bytes((other / file).read_bytes())
    with pytest.raises(ValueError, match=r"users.safetensors has store_digest [0-9a-f]{12}, this release has [0-9a-f]"):
        opened(written)


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_a_damaged_store_is_not_loaded(written: Path, kept: int) -> None:
    path = written / USER_EMBEDDING / "1" / "users.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=r"users.safetensors: is not a store of user embeddings, or damaged \(.*: export"
    ):
        opened(written)


def test_a_model_without_a_store_says_how_to_get_one(written: Path) -> None:
    (written / USER_EMBEDDING / "1" / "users.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no users.safetensors in .*: export the repository again, or write its"):
        opened(written)
    module = load_module(COMMITTED / USER_EMBEDDING / "1" / "model.py", USER_EMBEDDING)
    with pytest.raises(ValueError, match=r"config.pbtxt names no store: export the repository again"):
        module.UserEmbedding(as_json(config()), written, None)


def test_the_config_of_a_store_reads_back_with_its_digests(written: Path) -> None:
    parameters = read_config(written, USER_EMBEDDING).parameters
    assert parameters["encoder_digest"] == ENCODER
    assert len(parameters["store_digest"]) == 64
    assert named(config(), {}).parameters.keys() == parameters.keys() - {"encoder_digest", "store_digest"}
