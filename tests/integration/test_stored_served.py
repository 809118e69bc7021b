"""Stored embeddings on the real server: stored users need no history, and others get the answers of `recommend`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from client.cli import main
from client.recommend_client import RecommendClient
from client.request_tensors import build_tensors
from export.data.golden import Row, null_row, request_tensors
from export.families.offline_online.plan import RECOMMEND, RECOMMEND_NVTABULAR
from export.families.offline_online.stored.models import (
    OFFLINE_STATE,
    OPTIONAL,
    PREPROCESS_ONLINE,
    RECOMMEND_STORED,
    USER_EMBEDDING,
)
from export.families.offline_online.stored.states import latest_states
from export.families.offline_online.stored.store import write_store
from export.parity.local import LocalRepository
from export.triton.plan import PREPROCESS_NVTABULAR
from serving.errors import ModelLoadError
from serving.server import run_triton
from tests.exported import repository
from tests.integration.described import absences, described
from tests.integration.served import Served, as_inputs

NVTABULAR = shutil.ignore_patterns(PREPROCESS_NVTABULAR, RECOMMEND_NVTABULAR)


def optional(served: Served) -> set[str]:
    """What a request need not tell of a user who is stored."""
    parameters = served.client.get_model_config(RECOMMEND_STORED).config.parameters
    return set(parameters[OPTIONAL].string_value.split(","))


def users(served: Served) -> list[str]:
    return sorted(set(pq.read_table(served.data / "requests" / "train")["user"].to_pylist()))


def without_history(served: Served, row: Row) -> Row:
    nothing, left_out = null_row(served.features), optional(served)
    return {name: nothing[name] if name in left_out else value for name, value in row.items()}


def sources(answer: Any) -> list[str]:
    return [source.decode() for source in answer.as_numpy("source")[:, 0]]


def assert_equal(found: Any, expected: Any, atol: float = 1e-5) -> None:
    """Both answers' scores, and their items but where scores tie."""
    scores = expected.as_numpy("score")
    np.testing.assert_allclose(found.as_numpy("score"), scores, atol=atol)
    apart = np.abs(np.diff(np.nan_to_num(scores, neginf=-1e30), axis=1, prepend=np.inf, append=-np.inf)) > 1e-3
    clear = apart[:, :-1] & apart[:, 1:]
    np.testing.assert_array_equal(found.as_numpy("item_id")[clear], expected.as_numpy("item_id")[clear])


def test_a_mixed_batch_distinguishes_stored_and_computed_users_and_answers_each_correctly(served: Served) -> None:
    known, rows = users(served), served.golden.rows[12:18]
    whose = [known[0], "never seen", known[1], "", "用户", known[2]]
    mixed = [{**row, "user_id": user} for row, user in zip(rows, whose, strict=True)]
    answer = served.infer(RECOMMEND_STORED, mixed)
    assert sources(answer) == ["stored", "computed", "stored", "computed", "computed", "stored"]
    like_recommend, place = served.infer(RECOMMEND, mixed), [1, 3, 4]
    np.testing.assert_allclose(answer.as_numpy("score")[place], like_recommend.as_numpy("score")[place], atol=1e-5)
    for position in (0, 2, 5):
        alone = served.infer(RECOMMEND_STORED, [without_history(served, mixed[position])])
        np.testing.assert_allclose(answer.as_numpy("score")[position], alone.as_numpy("score")[0], atol=1e-5)
        assert not np.allclose(alone.as_numpy("score"), served.infer(RECOMMEND, [mixed[position]]).as_numpy("score"))


def test_what_only_the_encoder_reads_changes_nothing_for_a_stored_user(served: Served) -> None:
    row = {**served.golden.rows[20], "user_id": users(served)[3]}
    other = {**row, "recent": served.items[:8], "frequent": ["never seen"], "age": -np.inf, "city": None}
    assert_equal(served.infer(RECOMMEND_STORED, [other]), served.infer(RECOMMEND_STORED, [row]))
    online = {**row, "basket": served.items[:2]}
    answer = served.infer(RECOMMEND_STORED, [online])
    assert {item.decode() for item in answer.as_numpy("item_id")[0]}.isdisjoint(served.items[:2])


def test_an_answer_may_be_asked_for_without_its_source(served: Served) -> None:
    row = {**served.golden.rows[20], "user_id": users(served)[3]}
    wanted = [grpc.InferRequestedOutput(name) for name in ("item_id", "score")]
    answer = served.client.infer(RECOMMEND_STORED, served.inputs([row]), outputs=wanted)
    assert answer.as_numpy("source") is None
    assert_equal(answer, served.infer(RECOMMEND_STORED, [row]))


def test_requests_of_many_lengths_meet_in_a_batch_and_get_the_answers_that_they_get_alone(
    served: Served, all_at_once: Callable[..., list[Any]]
) -> None:
    known = users(served)
    rows = [
        {**served.golden.rows[12 + place], "user_id": known[place] if place % 2 else f"never seen {place}"}
        for place in range(14)
    ]
    histories = [{**row, "recent": served.items[: place % 7]} for place, row in enumerate(rows)]
    requests = [served.inputs([row]) for row in histories]
    alone = [served.client.infer(RECOMMEND_STORED, each) for each in requests]
    for expected, (found, error) in zip(alone, all_at_once(served.client, RECOMMEND_STORED, requests), strict=True):
        assert error is None
        assert sources(found) == sources(expected)
        assert_equal(found, expected)
    # Straight to the model, whose inputs may be of any length in one batch.
    local = LocalRepository(served.repository)
    wanted = {tensor.name for tensor in local.config(USER_EMBEDDING).inputs}
    direct = []
    for row in histories:
        tensors = request_tensors(served.features, [row])
        tensors |= local.run(local.config(RECOMMEND).steps[0].model, tensors)
        direct.append(as_inputs({name: each for name, each in tensors.items() if name in wanted}))
    alone = [served.client.infer(USER_EMBEDDING, each) for each in direct]
    # On a machine that is busy otherwise they may come one by one.
    for _ in range(40):
        before = executions(served)
        answers = all_at_once(served.client, USER_EMBEDDING, direct)
        if executions(served) - before < len(direct) / 2:
            break
    else:
        pytest.fail("requests did not meet in a batch")
    for row, expected, (answer, error) in zip(rows, alone, answers, strict=True):
        assert error is None
        assert sources(answer) == ["computed" if "never" in row["user_id"] else "stored"]
        vectors = (each.as_numpy("user_embedding") for each in (answer, expected))
        np.testing.assert_allclose(*vectors, atol=1e-5)


def executions(served: Served) -> int:
    return int(served.client.get_inference_statistics(USER_EMBEDDING).model_stats[0].execution_count)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_client_leaves_out_what_a_stored_user_need_not_send(served: Served, protocol: str) -> None:
    row = {**served.golden.rows[20], "user_id": users(served)[0]}
    online = {name: value for name, value in row.items() if name not in optional(served)}
    assert "tier" not in online
    url = served.server.grpc_url if protocol == "grpc" else served.server.http_url
    with RecommendClient(url, RECOMMEND_STORED) as client:
        sent = build_tensors(client.signature, [online]).keys()
        assert (set(served.inputs_of(RECOMMEND_STORED)) - sent == optional(served)) == (
            PREPROCESS_ONLINE in served.models
        )
        [stored], [computed] = client.recommend([online]), client.recommend([{**online, "user_id": "never seen"}])
    assert (stored.source, computed.source) == ("stored", "computed")
    expected = served.infer(RECOMMEND_STORED, [row]).as_numpy("score")[0]
    np.testing.assert_allclose(stored.scores, expected[np.isfinite(expected)], atol=1e-5)
    assert computed.item_ids


def test_the_commands_send_recorded_rows(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    requests, known = served.data / "requests" / "test", users(served)
    arguments = ["--url", served.server.grpc_url, "--model", RECOMMEND_STORED, "--requests", str(requests)]
    user = next(user for user in known if user in pq.read_table(requests)["user"].to_pylist())
    assert main(["recommend", *arguments, "--user", user, "--top", "3", "--history", "recent"]) == 0
    out = capsys.readouterr().out
    assert f"user {user} (stored embedding)" in out
    [shown] = json.loads(out.splitlines()[-1])["recommendations"]
    assert shown["source"] == "stored"
    assert len(shown["item_ids"]) == 3
    assert main(["evaluate", *arguments, "--k", "5", "--limit", "20"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out.splitlines()[-1])["ndcg@5"] <= 1


def test_what_describe_says_of_every_recommender_is_true(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in (*served.paths, RECOMMEND_STORED):
        said = described(served.server, model, tmp_path, capsys)
        assert [feature["name"] for feature in said["features"]] == served.inputs_of(model)
        required = {feature["name"] for feature in said["features"] if feature["required"]}
        ints = {"tier", "slot", "hour", "weekday"}
        assert required == (ints - {"tier"} if model == RECOMMEND_STORED else ints)
        kinds = {feature["name"]: feature["kind"] for feature in said["features"]}
        assert kinds["last_few"] == "list of strings, oldest first; the newest 3 are kept"
        assert (kinds["mood"], kinds["user_id"], kinds["age"]) == ("vector of 3 numbers", "string", "number")
    assert "identifies the user of a stored embedding" in absences(said)["user_id"]
    assert absences(said)["tier"] == "unknown; not read for a stored user"


def test_a_store_of_another_encoder_is_refused_by_the_server_with_a_readable_reason(
    compiled_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(repository(compiled_data, "onnx"), folder, ignore=NVTABULAR)
    local = LocalRepository(folder)
    states = latest_states(local, Served(None, None, compiled_data, folder).fitted, compiled_data)  # type: ignore[arg-type]
    write_store(local.config(USER_EMBEDDING), states, "f" * 64, tmp_path / "other")
    store = Path(USER_EMBEDDING, "1", "users.safetensors")
    (folder / store).write_bytes((tmp_path / "other" / store).read_bytes())
    with pytest.raises(ModelLoadError) as refused, run_triton(folder, grace_s=0):
        pass
    assert USER_EMBEDDING in refused.value.reasons
    reason = refused.value.reasons[USER_EMBEDDING]
    assert "users.safetensors has encoder_digest ffffffffffff, this release has " in reason
    assert "python -m export stored" in reason
    assert "\n" not in str(refused.value)


def test_without_its_encoder_stored_users_are_answered_and_others_get_an_error(compiled_data: Path) -> None:
    folder = repository(compiled_data, "onnx")
    explicit = run_triton(folder, grace_s=0, model_control="explicit", load_models=[RECOMMEND_STORED])
    with explicit as server, grpc.InferenceServerClient(server.grpc_target) as client:
        served = Served(server, client, compiled_data, folder)
        row = served.golden.rows[20]
        assert sources(served.infer(RECOMMEND_STORED, [{**row, "user_id": users(served)[0]}])) == ["stored"]
        with pytest.raises(InferenceServerException, match=r"not in the store, and offline_state cannot compute it"):
            served.infer(RECOMMEND_STORED, [{**row, "user_id": "never seen"}])
        client.load_model(OFFLINE_STATE)
        assert sources(served.infer(RECOMMEND_STORED, [{**row, "user_id": "never seen"}])) == ["computed"]
