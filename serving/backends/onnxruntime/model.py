"""Triton backend `onnxruntime` in Python, for the embedded server: runs `1/model.onnx` as NVIDIA's backend does.

A config.pbtxt that loads here loads unchanged there. Understood: `default_model_filename`; the parameters
`intra_op_thread_count`, `inter_op_thread_count`, `execution_mode`, `enable_mem_arena`, `enable_mem_pattern`;
`optimization.graph.level` (-1 basic, 1 extended, 2 none, else all); KIND_GPU where ONNX Runtime has CUDA.
Strings are UTF-8; what is not becomes U+FFFD, so that such a string is an unknown key to a vocabulary.
"""

import json
from pathlib import Path
from typing import Any

from serving.backends import byte_tensors
from serving.backends.request_batches import Arrays, Batcher, parameter

ONNX_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


class TritonPythonModel:
    """One instance of an ONNX model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph and hold it against config.pbtxt.

        Raises:
            ValueError: The config declares what the graph does not have, or differs in dtype or rank.

        """
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.onnx")
        self._session = _load(path, config, args)
        batched = config["max_batch_size"] > 0
        _check("input", config["input"], self._session.get_inputs(), batched=batched)
        _check("output", config["output"], self._session.get_outputs(), batched=batched)
        missing = {node.name for node in self._session.get_inputs()} - {each["name"] for each in config["input"]}
        if missing:
            raise ValueError(f"the graph needs inputs {sorted(missing)} that config.pbtxt does not declare: add them")
        byte_tensors.install()
        self.execute = Batcher(self._run, [each["name"] for each in config["output"]], batched=batched)

    def _run(self, inputs: Arrays, wanted: list[str]) -> Arrays:
        return dict(zip(wanted, self._session.run(wanted, inputs), strict=True))


def _load(path: Path, config: dict[str, Any], args: dict[str, str]) -> Any:
    # Imported here: Triton imports this file in a process of its own when it completes configs.
    import onnxruntime

    if not path.is_file():
        raise ValueError(f"{path} does not exist: put the graph there or name it in default_model_filename")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = parameter(config, "intra_op_thread_count", 0)
    options.inter_op_num_threads = parameter(config, "inter_op_thread_count", 0)
    options.enable_cpu_mem_arena = bool(parameter(config, "enable_mem_arena", 1))
    options.enable_mem_pattern = bool(parameter(config, "enable_mem_pattern", 1))
    # Every model is a process of its own on the same cores: a thread that spins takes them from the others.
    for threads in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{threads}.allow_spinning", "0")
    if parameter(config, "execution_mode", 0):
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = {
        "-1": levels.ORT_ENABLE_BASIC,
        "1": levels.ORT_ENABLE_EXTENDED,
        "2": levels.ORT_DISABLE_ALL,
    }.get(str(config.get("optimization", {}).get("graph", {}).get("level", 0)), levels.ORT_ENABLE_ALL)
    providers: list[Any] = ["CPUExecutionProvider"]
    if args["model_instance_kind"] == "GPU" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(args["model_instance_device_id"])}))
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def _check(side: str, declared: list[dict[str, Any]], nodes: list[Any], *, batched: bool) -> None:
    graph = {node.name: node for node in nodes}
    for each in declared:
        name = each["name"]
        if name not in graph:
            raise ValueError(f"config.pbtxt declares {side} '{name}', the graph has {sorted(graph)}: rename one")
        dtype = ONNX_TYPES.get(graph[name].type, graph[name].type)
        if dtype != each["data_type"]:
            raise ValueError(f"{side} '{name}' is {each['data_type']} in config.pbtxt and {dtype} in the graph")
        dims = each.get("reshape", {}).get("shape", each["dims"])
        expected = [-1, *dims] if batched else dims
        actual = [size if isinstance(size, int) else -1 for size in graph[name].shape]
        if len(expected) != len(actual) or any(
            a != e and -1 not in (a, e) for a, e in zip(actual, expected, strict=True)
        ):
            raise ValueError(
                f"{side} '{name}' is {expected} in config.pbtxt (with the batch) and {actual} in the graph"
            )
