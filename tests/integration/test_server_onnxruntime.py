"""Our onnxruntime backend on the real embedded Triton: one server, many small graphs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import InferenceServerException

from serving.server import TritonServer, run_triton

FP32, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
TABLE = np.arange(20, dtype=np.float32).reshape(10, 2) / 7
WORDS = ["milk", "bread", "käse", "寿司"]
SendAll = Callable[..., list[Any]]
# Long enough that requests sent together meet in one batch.
WAIT = "dynamic_batching { max_queue_delay_microseconds: 300000 preferred_batch_size: [16] }"
ENSEMBLE = """
platform: "ensemble"
max_batch_size: 16
input [{ name: "word" data_type: TYPE_STRING dims: [-1] }]
output [{ name: "pooled" data_type: TYPE_FP32 dims: [2] }]
ensemble_scheduling { step [
  { model_name: "echo" model_version: -1 input_map { key: "text" value: "word" }
    output_map { key: "same" value: "echoed" } },
  { model_name: "lookup" model_version: -1 input_map { key: "word" value: "echoed" }
    output_map { key: "id" value: "ids" } },
  { model_name: "history" model_version: -1 input_map { key: "ids" value: "ids" }
    output_map { key: "pooled" value: "pooled" } }
] }
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, write_onnx: Callable[..., None]) -> Path:
    root = tmp_path_factory.mktemp("repository")
    table = numpy_helper.from_array(TABLE, "table")
    minus_one = numpy_helper.from_array(np.array([-1], dtype=np.int64), "minus_one")
    one = numpy_helper.from_array(np.array([1], dtype=np.int64), "one")
    write_onnx(
        root,
        "echo",
        [helper.make_node("Identity", ["text"], ["same"])],
        {"text": (STRING, ["n"])},
        {"same": (STRING, ["n"])},
    )
    encoder = helper.make_node(
        "LabelEncoder", ["word"], ["id"], domain="ai.onnx.ml", keys_strings=WORDS, values_int64s=[3, 4, 5, 6],
        default_int64=2,
    )  # fmt: skip
    write_onnx(
        root, "lookup", [encoder], {"word": (STRING, ["n"])}, {"id": (INT64, ["n"])}, config=WAIT,
        backend='platform: "onnxruntime_onnx"',
    )  # fmt: skip
    pool = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "one"], ["pooled"], keepdims=0),
        helper.make_node("Shape", ["ids"], ["batch"], end=1),
        helper.make_node("Concat", ["batch", "one"], ["column"], axis=0),
        helper.make_node("Expand", ["batch", "column"], ["batch_size"]),
    ]
    shapes = {"ids": (INT64, ["n"])}, {"pooled": (FP32, [2]), "batch_size": (INT64, [1])}
    write_onnx(root, "history", pool, *shapes, initializers=[table, one], config=WAIT)
    double = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("Cast", ["x"], ["as_ids"], to=INT64),
        helper.make_node("Gather", ["table", "as_ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "minus_one"], ["looked_up"], keepdims=0),
    ]
    write_onnx(
        root, "double", double, {"x": (FP32, ["n"])}, {"twice": (FP32, ["n"]), "looked_up": (FP32, ["n"])},
        initializers=[table, minus_one],
        config='parameters { key: "intra_op_thread_count" value { string_value: "1" } }',
    )  # fmt: skip
    write_onnx(
        root, "threads", [helper.make_node("Add", ["x", "x"], ["twice"])],
        {"x": (FP32, ["n"])}, {"twice": (FP32, ["n"])},
        config='parameters { key: "intra_op_thread_count" value { string_value: "4" } } '
        "optimization { graph { level: -1 } }",
    )  # fmt: skip
    names = helper.make_node(
        "LabelEncoder", ["id"], ["name"], domain="ai.onnx.ml", keys_int64s=[0, 1], values_strings=["plain", "with\0nul"]
    )
    write_onnx(root, "names", [names], {"id": (INT64, ["n"])}, {"name": (STRING, ["n"])})
    (root / "chain" / "1").mkdir(parents=True)
    (root / "chain" / "config.pbtxt").write_text(ENSEMBLE)
    return root


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with run_triton(repository, grace_s=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.grpc_target) as connected:
        yield connected


def tensor(name: str, array: np.ndarray[Any, Any], dtype: str) -> triton.InferInput:
    wanted = triton.InferInput(name, list(array.shape), dtype)
    wanted.set_data_from_numpy(array)
    return wanted


def words(name: str, rows: list[list[bytes]]) -> triton.InferInput:
    return tensor(name, np.array(rows, dtype=np.object_), "BYTES")


def executions(client: triton.InferenceServerClient, model: str) -> tuple[int, int]:
    """(rows answered, times the model ran)."""
    stats = client.get_inference_statistics(model).model_stats[0]
    return stats.inference_count, stats.execution_count


def test_numbers_equal_onnxruntime_in_this_process(client: triton.InferenceServerClient, repository: Path) -> None:
    x = np.array([[0.5, 1.5, 9.0], [3.0, 2.0, 1.0]], dtype=np.float32)
    session = onnxruntime.InferenceSession(repository / "double" / "1" / "model.onnx")
    twice, looked_up = session.run(["twice", "looked_up"], {"x": x})
    answer = client.infer("double", [tensor("x", x, "FP32")])
    np.testing.assert_array_equal(answer.as_numpy("twice"), twice)
    np.testing.assert_array_equal(answer.as_numpy("looked_up"), looked_up)


def test_strings_come_back_byte_for_byte(client: triton.InferenceServerClient) -> None:
    rows = [[b"", b"milk", "käse 寿司 🧀".encode()], [b" ", b"ab", b" " * 5000]]
    assert client.infer("echo", [words("text", rows)]).as_numpy("same").tolist() == rows


def test_a_string_ends_at_its_first_nul_on_the_way_in_and_not_on_the_way_out(
    client: triton.InferenceServerClient,
) -> None:
    rows = [[b"milk\0junk", b"\0", b"bread"]]
    assert client.infer("echo", [words("text", rows)]).as_numpy("same").tolist() == [[b"milk", b"", b"bread"]]
    assert client.infer("lookup", [words("word", rows)]).as_numpy("id").tolist() == [[3, 2, 4]]
    ids = tensor("id", np.array([[1, 0]], dtype=np.int64), "INT64")
    assert client.infer("names", [ids]).as_numpy("name").tolist() == [[b"with\0nul", b"plain"]]


def test_label_encoder_takes_unicode_and_gives_unknown_its_default(client: triton.InferenceServerClient) -> None:
    rows = [["寿司".encode(), "käse".encode(), b"never seen", b""]]
    assert client.infer("lookup", [words("word", rows)]).as_numpy("id").tolist() == [[6, 5, 2, 2]]


def test_requests_sent_together_run_as_one_batch(client: triton.InferenceServerClient, all_at_once: SendAll) -> None:
    rows = [np.array([[i % 10, 1, 2]], dtype=np.int64) for i in range(16)]
    answers = all_at_once(client, "history", [[tensor("ids", row, "INT64")] for row in rows])
    for row, (answer, error) in zip(rows, answers, strict=True):
        assert error is None
        np.testing.assert_allclose(answer.as_numpy("pooled"), TABLE[row].sum(1), rtol=1e-6)
    # How many meet depends on how busy the machine is; that some do does not.
    assert max(answer.as_numpy("batch_size").item() for answer, _ in answers) > 1


def test_requests_of_different_length_sent_together_are_each_right(
    client: triton.InferenceServerClient, all_at_once: SendAll
) -> None:
    rows = [np.arange(length, dtype=np.int64).reshape(1, -1) % 10 for length in (1, 3, 3, 7, 1, 0, 3, 12)]
    rows.append(np.array([[1, 2, 3], [4, 5, 6]], dtype=np.int64))
    answers = all_at_once(client, "history", [[tensor("ids", row, "INT64")] for row in rows])
    for row, (answer, error) in zip(rows, answers, strict=True):
        assert error is None
        np.testing.assert_allclose(answer.as_numpy("pooled"), TABLE[row].sum(1), rtol=1e-6)
    # Triton ends a batch where the length changes: only requests of equal length meet, in the order they came in.
    for row, (answer, _) in zip(rows, answers, strict=True):
        of_this_length = sum(len(other) for other in rows if other.shape[1] == row.shape[1])
        assert len(row) <= answer.as_numpy("batch_size")[0, 0] <= of_this_length


def test_a_request_that_the_graph_refuses_fails_alone(
    client: triton.InferenceServerClient, all_at_once: SendAll
) -> None:
    before = executions(client, "history")
    rows = [np.array([[i, 99 if i == 3 else 0]], dtype=np.int64) for i in range(8)]
    answers = all_at_once(client, "history", [[tensor("ids", row, "INT64")] for row in rows])
    errors = [error for _, error in answers]
    assert [index for index, error in enumerate(errors) if error is not None] == [3]
    assert "99" in str(errors[3])
    for index in (0, 7):
        np.testing.assert_allclose(answers[index][0].as_numpy("pooled"), TABLE[rows[index]].sum(1), rtol=1e-6)
    assert executions(client, "history")[1] - before[1] < 8
    assert client.is_server_ready()


def test_strings_that_are_not_utf8_are_unknown_keys_and_harm_no_neighbour(
    client: triton.InferenceServerClient, all_at_once: SendAll
) -> None:
    texts = [[b"milk", b"\xff"], [b"k\xe4se", b"bread"], ["寿司".encode(), b"bread \xc3"]]
    before = executions(client, "lookup")
    answers = all_at_once(client, "lookup", [[words("word", [text])] for text in texts])
    assert executions(client, "lookup")[1] - before[1] < 3
    assert [error for _, error in answers] == [None, None, None]
    assert [answer.as_numpy("id").tolist() for answer, _ in answers] == [[[3, 2]], [[2, 4]], [[6, 2]]]
    answer = client.infer("echo", [words("text", [[b"bad \xff"]])])
    assert answer.as_numpy("same").tolist() == [["bad \N{REPLACEMENT CHARACTER}".encode()]]


def test_only_the_outputs_asked_for_come_back(client: triton.InferenceServerClient) -> None:
    x = tensor("x", np.array([[5.0]], dtype=np.float32), "FP32")
    both = client.infer("double", [x])
    assert [output.name for output in both.get_response().outputs] == ["twice", "looked_up"]
    answer = client.infer("double", [x], outputs=[triton.InferRequestedOutput("looked_up")])
    assert [output.name for output in answer.get_response().outputs] == ["looked_up"]
    np.testing.assert_array_equal(answer.as_numpy("looked_up"), both.as_numpy("looked_up"))


def test_empty_batches_and_empty_rows_get_empty_answers(client: triton.InferenceServerClient) -> None:
    assert client.infer("lookup", [words("word", [[], []])]).as_numpy("id").shape == (2, 0)
    x = np.zeros((2, 0), dtype=np.float32)
    assert client.infer("double", [tensor("x", x, "FP32")]).as_numpy("twice").shape == (2, 0)
    assert client.is_server_ready()


def test_an_ensemble_of_three_equals_its_members_in_turn(client: triton.InferenceServerClient) -> None:
    answer = client.infer("chain", [words("word", [[b"milk", b"bread"], [b"unseen", "寿司".encode()]])])
    expected = TABLE[np.array([[3, 4], [2, 6]])].sum(1)
    np.testing.assert_allclose(answer.as_numpy("pooled"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "wanted", "message"),
    [
        ("double", tensor("x", np.zeros((1, 1), dtype=np.int64), "INT64"), "expects 'FP32'"),
        ("double", tensor("x", np.zeros((1, 1, 1), dtype=np.float32), "FP32"), "unexpected shape"),
        ("double", tensor("x", np.zeros((17, 1), dtype=np.float32), "FP32"), "batch-size must be <= 16"),
        ("double", tensor("y", np.zeros((1, 1), dtype=np.float32), "FP32"), "input 'y'"),
        ("nothing", tensor("x", np.zeros((1, 1), dtype=np.float32), "FP32"), "unknown model"),
    ],
)
def test_a_wrong_request_is_refused_and_the_server_stays_ready(
    client: triton.InferenceServerClient, model: str, wanted: triton.InferInput, message: str
) -> None:
    with pytest.raises(InferenceServerException, match=message):
        client.infer(model, [wanted])
    assert client.is_server_ready()


def test_the_thread_count_of_the_config_is_the_number_of_threads(server: TritonServer) -> None:
    assert stub_threads(server.pid, "threads") - stub_threads(server.pid, "double") == 3


def stub_threads(pid: int, model: str) -> int:
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for stub in child.read_text().split():
            if f"/{model}/1/" in Path(f"/proc/{stub}/cmdline").read_text():
                return len(list(Path(f"/proc/{stub}/task").iterdir()))
    raise LookupError(f"no stub of {model} below process {pid}")
