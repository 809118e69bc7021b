"""What holds of every family on the real server: torch's answers, alone and in a batch, and the offline metrics."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from client.recommend_client import RecommendClient
from client.request_tensors import build_tensors
from client.signature import EXCLUDE
from export.data.golden import Row
from export.families import NAMES
from export.families.options import flags
from tests.families import CHECKPOINTS, FORMATS, REPOSITORIES
from tests.in_process import run_in_process
from tests.integration.served import Served, as_inputs

BATCH = 16
ANSWER = {"item_id", "score", "reason", "known"}


@pytest.fixture(params=FORMATS)
def format_(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=NAMES)
def served(request: pytest.FixtureRequest, format_: Any, compiled_data: Path, serve: Callable[..., Served]) -> Served:
    return serve(REPOSITORIES[request.param](compiled_data, format_), compiled_data, request.param)


@cache
def models_of(repository: Path, family: str) -> list[str]:
    """The models that the family adds to those it joins."""
    from export.commands.opened import open_repository

    opened = open_repository(repository)
    return [config.name for config in opened.families[family].configs(opened.plans[family])]


def ways(served: Served) -> list[str]:
    """The models of the family that take a request and answer with items and scores alone, the default first."""
    features = set(served.requests.as_tensors(served.golden.rows[:1])) - {EXCLUDE}
    found = []
    for model in models_of(served.repository, served.family):
        metadata = served.client.get_model_metadata(model)
        takes, gives = ({tensor.name for tensor in side} for side in (metadata.inputs, metadata.outputs))
        if features <= takes <= {*features, EXCLUDE} and {"item_id", "score"} <= gives <= ANSWER:
            found.append(model)
    return sorted(found)


def inputs(served: Served, model: str, rows: list[Row]) -> list[Any]:
    arrays = served.requests.as_tensors(rows)
    if EXCLUDE in served.inputs_of(model) and EXCLUDE not in arrays:
        arrays[EXCLUDE] = np.full((len(rows), 1), b"", dtype=np.object_)
    return as_inputs(arrays)


def test_all_models_are_ready_and_golden_rows_get_torch_s_answers_every_way(served: Served) -> None:
    index = served.client.get_model_repository_index()
    assert {model.name: model.state for model in index.models} == dict.fromkeys(served.models, "READY")
    rows = served.golden.rows
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    assert ways(served)
    for model in ways(served):
        answers = [served.client.infer(model, inputs(served, model, batch)) for batch in batches]
        served.assert_torch_s(list(range(len(rows))), answers)


def test_every_model_returns_what_it_declares(served: Served) -> None:
    for model in models_of(served.repository, served.family):
        metadata = served.client.get_model_metadata(model)
        answer = served.client.infer(model, as_inputs({each.name: blank(each) for each in metadata.inputs}))
        assert {tensor.name for tensor in answer.get_response().outputs} == {each.name for each in metadata.outputs}
        for declared in metadata.outputs:
            returned = answer.as_numpy(declared.name)
            assert np_to_triton_dtype(returned.dtype) == declared.datatype, (model, declared.name)
            assert len(returned) == 3
            assert len(returned.shape) == len(declared.shape)
            assert all(d in (-1, r) for d, r in zip(declared.shape, returned.shape, strict=True)), (
                model,
                declared.name,
            )


def blank(tensor: Any) -> Any:
    """Three rows of zeros or of "" for an input, lists of one."""
    shape = [3, *map(abs, tensor.shape[1:])]
    if tensor.datatype == "BYTES":
        return np.full(shape, b"", np.object_)
    return np.zeros(shape, triton_to_np_dtype(tensor.datatype))


def test_histories_of_mixed_lengths_meet_in_a_batch_and_get_the_answers_that_they_get_alone(
    served: Served, all_at_once: Callable[..., list[Any]]
) -> None:
    ints: Row = {f.name: 1 for f in served.features if getattr(f, "dtype", "") == "int"}
    sequences = ("recent", "frequent", "lately", "last_few", "basket", "history")
    requests = [
        {**ints, "user_id": f"usér-{place}", **{name: served.items[: (place + shift) % 9] for shift, name in
                                               enumerate(sequences)}}
        for place in range(16)
    ]  # fmt: skip
    for model in ways(served):
        with RecommendClient(served.server.grpc_url, model) as client:
            own = [{name: request[name] for name in client.signature.inputs if name in request} for request in requests]
            tensors = [as_inputs(build_tensors(client.signature, [request])) for request in own]
        alone = [served.client.infer(model, each) for each in tensors]
        # On a machine that is busy otherwise they may come one by one.
        for _ in range(40):
            before = executions(served, model)
            together = all_at_once(served.client, model, tensors)
            if executions(served, model) - before < len(requests) / 2:
                break
        else:
            pytest.fail(f"{model}: requests did not meet in a batch")
        for expected, (found, error) in zip(alone, together, strict=True):
            assert error is None
            score = expected.as_numpy("score")
            finite = score[np.isfinite(score)]
            np.testing.assert_allclose(found.as_numpy("score"), score, rtol=0, atol=1e-6 * np.abs(finite).max())
            if (np.diff(finite) < -1e-4).all():
                np.testing.assert_array_equal(found.as_numpy("item_id"), expected.as_numpy("item_id"))


def executions(served: Served, model: str) -> int:
    """Batches that the first model of a way has run."""
    config = served.client.get_model_config(model).config
    first = config.ensemble_scheduling.step[0].model_name if config.platform == "ensemble" else model
    return int(served.client.get_inference_statistics(first).model_stats[0].execution_count)


@pytest.mark.parametrize("family", [family for family in CHECKPOINTS if flags(family).data])
def test_served_metrics_are_the_offline_metrics(
    family: str, format_: Any, compiled_data: Path, serve: Callable[..., Served]
) -> None:
    served = serve(REPOSITORIES[family](compiled_data, format_), compiled_data, family)
    offline = metrics("training", "evaluate", "--data", compiled_data, "--model", CHECKPOINTS[family](compiled_data))
    url = served.server.grpc_url if format_ == "onnx" else served.server.http_url
    for model in ways(served):
        replayed = ("client", "evaluate", "--url", url, "--model", model, "--requests", compiled_data / "requests/test")
        found = metrics(*replayed)
        assert found["rows"] == offline["rows"]
        for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate"):
            for k in (2, 5):
                assert found[f"{name}@{k}"] == pytest.approx(offline[f"{name}@{k}"], abs=1e-6), (model, name)
        assert found["recall@5"] > 0


def metrics(*command: object) -> dict[str, Any]:
    done = run_in_process(*command, "--k", "2,5")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
