"""Fixtures of the tests on the real server: small ONNX models, many requests at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import onnx
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto, helper

from serving.server import TritonServer, run_triton
from tests.exported import repository
from tests.integration.client_shop import SHOP, K, write_model
from tests.integration.doubling import write_double
from tests.integration.served import RANKERS, Served

WriteOnnx = Callable[..., None]
Sizes = Sequence[int | str]

_TRITON = {
    TensorProto.FLOAT: "TYPE_FP32",
    TensorProto.INT64: "TYPE_INT64",
    TensorProto.STRING: "TYPE_STRING",
}


@pytest.fixture(scope="session")
def write_onnx() -> WriteOnnx:
    """A function that writes one model: its graph, and the config.pbtxt that declares what the graph states."""

    def write(
        repository: Path,
        name: str,
        nodes: Sequence[onnx.NodeProto],
        inputs: dict[str, tuple[int, Sizes]],
        outputs: dict[str, tuple[int, Sizes]],
        *,
        initializers: Sequence[onnx.TensorProto] = (),
        config: str = "dynamic_batching {}",
        backend: str = 'backend: "onnxruntime"',
    ) -> None:
        """`inputs` and `outputs`: name -> (ONNX element type, sizes behind the batch; a word is a symbolic one)."""

        def infos(side: dict[str, tuple[int, Sizes]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(each, dtype, ["batch", *sizes]) for each, (dtype, sizes) in side.items()
            ]

        def declared(side: dict[str, tuple[int, Sizes]]) -> str:
            dims = {
                each: [-1 if isinstance(size, str) else size for size in sizes] for each, (_, sizes) in side.items()
            }
            return ", ".join(
                f'{{ name: "{each}" data_type: {_TRITON[dtype]} dims: {dims[each]} }}'
                for each, (dtype, _) in side.items()
            )

        graph = helper.make_graph(list(nodes), name, infos(inputs), infos(outputs), list(initializers))
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
        (repository / name / "1").mkdir(parents=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), repository / name / "1" / "model.onnx")
        (repository / name / "config.pbtxt").write_text(
            f"{backend}\nmax_batch_size: 16\ninput [{declared(inputs)}]\noutput [{declared(outputs)}]\n"
            f"instance_group [{{ count: 1 kind: KIND_AUTO }}]\n{config}\n"
        )

    return write


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory, write_onnx: WriteOnnx) -> Path:
    """A repository of one model, `double`."""
    root = tmp_path_factory.mktemp("good")
    write_double(write_onnx, root, "double")
    return root


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server for the tests of the client: a recommender, one of few items, and two that are none."""
    repository = tmp_path_factory.mktemp("shop")
    write_model(repository, SHOP, K)
    write_model(repository, "short_list", 5)
    write_model(repository, "no_score", 5, score="points")
    write_model(repository, "no_batches", 5, max_batch_size=0)
    with run_triton(repository, grace_s=0) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def url(request: pytest.FixtureRequest, shop: TritonServer) -> str:
    return shop.grpc_url if request.param == "grpc" else shop.http_url


@pytest.fixture(scope="session", params=RANKERS, ids="-".join)
def served(request: pytest.FixtureRequest, serve: Callable[..., Served]) -> Served:
    """The repository of a ranker on a server for all tests that only ask it: compiled in ONNX, or NVTabular's."""
    fixture, format_ = request.param
    data = request.getfixturevalue(fixture)
    return serve(repository(data, format_), data, "offline_online")


@pytest.fixture(scope="session")
def all_at_once() -> Callable[..., list[Any]]:
    """A function that sends several requests without waiting and returns (result, error) for each."""

    def send(
        client: triton.InferenceServerClient, model: str, requests: Sequence[list[triton.InferInput]]
    ) -> list[Any]:
        answers: list[Any] = [None] * len(requests)
        left = threading.Semaphore(0)

        def keep(index: int) -> Callable[[Any, Any], None]:
            def callback(result: Any, error: Any) -> None:
                answers[index] = (result, error)
                left.release()

            return callback

        for index, inputs in enumerate(requests):
            client.async_infer(model, inputs, keep(index))
        for _ in requests:
            assert left.acquire(timeout=30)
        return answers

    return send


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., Served]]:
    """A function that serves a repository until the end of the session: each is started once."""
    running: dict[Path, tuple[TritonServer, triton.InferenceServerClient]] = {}
    with ExitStack() as stack:

        def served(folder: Path, data: Path, family: str) -> Served:
            if folder not in running:
                server = stack.enter_context(run_triton(folder, grace_s=0))
                running[folder] = server, stack.enter_context(triton.InferenceServerClient(server.grpc_target))
            return Served(*running[folder], data, folder, family)

        yield served
