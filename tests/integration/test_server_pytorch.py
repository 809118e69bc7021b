"""Our pytorch backend on the real embedded Triton."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from serving.errors import ModelLoadError
from serving.server import TritonServer, run_triton
from tests.integration.served import as_inputs


class MinusAndLookup(torch.nn.Module):
    """Two arguments whose order matters, two outputs, and an index that can be out of range."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 3)

    def forward(self, scores: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`scores` [B, 1], `ids` [B, L] -> [B, 1], [B, 3]."""
        return scores - ids[:, :1].to(torch.float32), self.table(ids).sum(1)


CONFIG = """
{platform}
max_batch_size: 16
dynamic_batching {{ max_queue_delay_microseconds: 200000 preferred_batch_size: [16] }}
input [
  {{ name: "{ids}" data_type: TYPE_INT64 dims: [-1] }},
  {{ name: "{scores}" data_type: TYPE_FP32 dims: [1] }}
]
output [
  {{ name: "{pooled}" data_type: TYPE_FP32 dims: [3] }},
  {{ name: "{minus}" data_type: TYPE_FP32 dims: [1] }}
]
instance_group [{{ count: 1 kind: KIND_AUTO }}]
parameters {{ key: "INTRA_OP_THREAD_COUNT" value {{ string_value: "1" }} }}
"""


@pytest.fixture(scope="module")
def module() -> MinusAndLookup:
    torch.manual_seed(0)
    return MinusAndLookup()


@pytest.fixture(scope="module")
def server(module: MinusAndLookup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    root = tmp_path_factory.mktemp("torchscript")
    by_argument = {"ids": "ids", "scores": "scores", "pooled": "pooled__1", "minus": "minus__0"}
    by_index = {"ids": "INPUT__1", "scores": "INPUT__0", "pooled": "OUTPUT__1", "minus": "OUTPUT__0"}
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        scripted = torch.jit.script(module)
    for name, names, platform in (
        ("by_argument", by_argument, 'backend: "pytorch"'),
        ("by_index", by_index, 'platform: "pytorch_libtorch"'),
    ):
        (root / name / "1").mkdir(parents=True)
        scripted.save(root / name / "1" / "model.pt")
        (root / name / "config.pbtxt").write_text(CONFIG.format(platform=platform, **names))
    # "in__put__1" is no index to NVIDIA's backend: both inputs bind in the order of config.pbtxt.
    write_module(
        root, "order", Sum(), {"in__put__1": "TYPE_FP32", "in__put__0": "TYPE_FP32"},
        {"sum__0": "TYPE_FP32", "copy__1": "TYPE_FP64"},
    )  # fmt: skip
    write_module(root, "dtype", Sum(), {"x": "TYPE_FP32", "y": "TYPE_FP32"}, {"sum__0": "TYPE_FP64"})
    with run_triton(root, grace_s=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.grpc_target) as connected:
        yield connected


def inputs(ids_name: str, scores_name: str, ids: list[list[int]]) -> list[triton.InferInput]:
    array = np.array(ids, dtype=np.int64)
    both = [
        triton.InferInput(ids_name, list(array.shape), "INT64"),
        triton.InferInput(scores_name, [len(array), 1], "FP32"),
    ]
    both[0].set_data_from_numpy(array)
    both[1].set_data_from_numpy(np.full((len(array), 1), 0.5, dtype=np.float32))
    return both


@pytest.mark.parametrize(
    ("model", "ids_name", "scores_name", "pooled", "minus"),
    [
        ("by_argument", "ids", "scores", "pooled__1", "minus__0"),
        ("by_index", "INPUT__1", "INPUT__0", "OUTPUT__1", "OUTPUT__0"),
    ],
)
def test_inputs_bind_by_argument_name_or_by_index(
    client: triton.InferenceServerClient,
    module: MinusAndLookup,
    model: str,
    ids_name: str,
    scores_name: str,
    pooled: str,
    minus: str,
) -> None:
    ids = [[1, 2, 3], [4, 5, 6]]
    with torch.inference_mode():
        expected_minus, expected_pooled = module(torch.full((2, 1), 0.5), torch.tensor(ids))
    answer = client.infer(model, inputs(ids_name, scores_name, ids))
    np.testing.assert_array_equal(answer.as_numpy(minus), expected_minus.numpy())
    np.testing.assert_allclose(answer.as_numpy(pooled), expected_pooled.numpy(), rtol=1e-6)


def test_lengths_meet_in_one_batch_and_the_culprit_fails_alone(
    client: triton.InferenceServerClient, module: MinusAndLookup, all_at_once: Callable[..., list[Any]]
) -> None:
    rows = [[[1, 2]], [[3]], [[4, 99]], [[5, 6]], [[7]], [[8, 9]]]
    answers = all_at_once(client, "by_argument", [inputs("ids", "scores", ids) for ids in rows])
    for ids, (answer, error) in zip(rows, answers, strict=True):
        if ids == [[4, 99]]:
            assert "index out of range" in str(error)
            continue
        with torch.inference_mode():
            expected = module.table(torch.tensor(ids)).sum(1).numpy()
        np.testing.assert_allclose(answer.as_numpy("pooled__1"), expected, rtol=1e-6)
    stats = client.get_inference_statistics("by_argument").model_stats[0]
    assert stats.execution_count < stats.inference_count
    assert client.is_server_ready()


def test_a_missing_input_is_refused_and_only_the_outputs_asked_for_come_back(
    client: triton.InferenceServerClient, module: MinusAndLookup
) -> None:
    only_pooled = [triton.InferRequestedOutput("OUTPUT__1")]
    with pytest.raises(InferenceServerException, match="expected"):
        client.infer("by_index", inputs("INPUT__1", "INPUT__0", [[], []])[:1], outputs=only_pooled)
    answer = client.infer("by_index", inputs("INPUT__1", "INPUT__0", [[1], [2]]), outputs=only_pooled)
    assert [output.name for output in answer.get_response().outputs] == ["OUTPUT__1"]
    with torch.inference_mode():
        expected = module.table(torch.tensor([[1], [2]])).sum(1).numpy()
    np.testing.assert_allclose(answer.as_numpy("OUTPUT__1"), expected, rtol=1e-6)


class TwoOfThree(torch.nn.Module):
    """An argument with a default, and a second output of another dtype than the first."""

    def forward(self, x: torch.Tensor, y: torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """`x`, `y` [B, 1] -> [B, 1] float32, [B, 1] float64."""
        return x + y * scale, x.to(torch.float64)


class Sum(torch.nn.Module):
    """Two tensors, the first output float32, the second float64."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`x`, `y` [B, 1] -> [B, 1] float32, [B, 1] float64."""
        return x + y, x.to(torch.float64)


def test_what_nvidia_s_backend_refuses_is_refused_by_name(tmp_path: Path) -> None:
    two = {"x": "TYPE_FP32", "y": "TYPE_FP32"}
    broken = {
        "number": (Sum(), {"x": "TYPE_FP32"}, "declares inputs ['x'], forward takes ['x', 'y']"),
        "argument": (TwoOfThree(), {**two, "scale": "TYPE_FP32"}, "argument 'scale' is float"),
        "default": (TwoOfThree(), two, "forward takes ['x', 'y', 'scale']"),
        "type": (Sum(), {"x": "TYPE_FP32", "y": "TYPE_UINT32"}, "'y' is TYPE_UINT32"),
        "index": (Sum(), {"x__1": "TYPE_FP32", "y__1": "TYPE_FP32"}, "are not numbered from 0 to 1"),
    }
    for name, (module, inputs_, _) in broken.items():
        write_module(tmp_path, name, module, inputs_, {"sum__0": "TYPE_FP32"})
    with pytest.raises(ModelLoadError) as caught, run_triton(tmp_path, grace_s=0):
        pass
    assert set(caught.value.reasons) == set(broken)
    for name, (_, _, part) in broken.items():
        assert part in caught.value.reasons[name]


def test_only_the_first_double_underscore_is_an_index_and_a_wrong_dtype_fails_the_request(
    client: triton.InferenceServerClient,
) -> None:
    tensors = {name: np.full((1, 1), value, np.float32) for name, value in (("in__put__1", 1), ("in__put__0", 2))}
    answer = client.infer("order", as_inputs(tensors))
    assert answer.as_numpy("copy__1").tolist() == [[1.0]]
    with pytest.raises(InferenceServerException, match=r"float64 in config\.pbtxt and forward returns float32"):
        client.infer("dtype", as_inputs(dict(zip("xy", tensors.values(), strict=True))))


def write_module(
    root: Path, name: str, module: torch.nn.Module, inputs_: dict[str, str], outputs: dict[str, str]
) -> None:
    (root / name / "1").mkdir(parents=True)
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.script(module).save(root / name / "1" / "model.pt")
    lines = ['backend: "pytorch"', "max_batch_size: 4"]
    for side, tensors in (("input", inputs_), ("output", outputs)):
        lines += [f'{side} {{ name: "{each}" data_type: {dtype} dims: [1] }}' for each, dtype in tensors.items()]
    (root / name / "config.pbtxt").write_text("\n".join(lines))
