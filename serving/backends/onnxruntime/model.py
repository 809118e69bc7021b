"""The Triton backend `onnxruntime` in Python, for the embedded server: it runs `1/model.onnx` as NVIDIA's backend does.

A config.pbtxt that loads here loads unchanged there. Supported: `default_model_filename`; the parameters
`intra_op_thread_count`, `inter_op_thread_count`, `execution_mode`, `enable_mem_arena`, `enable_mem_pattern`;
`optimization.graph.level` (-1 basic, 1 extended, 2 none, else all); KIND_GPU if ONNX Runtime has CUDA.
A string ends at its first NUL. Strings are UTF-8; other bytes become U+FFFD, so that such a string is an unknown key
to a vocabulary.
"""

import json
from pathlib import Path
from typing import Any

from serving.backends import byte_tensors
from serving.backends.graph_check import check_inputs, check_outputs
from serving.backends.request_batches import Arrays, Batcher, parameter


class TritonPythonModel:
    """One instance of an ONNX model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph and compare it with config.pbtxt.

        Raises:
            ValueError: The config differs from the graph in a name, a dtype or a shape.

        """
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.onnx")
        self._session = _load(path, config, args)
        check_inputs(config, self._session.get_inputs(), self._session.get_overridable_initializers())
        check_outputs(config, self._session.get_outputs())
        byte_tensors.install()
        names = [each["name"] for each in config["output"]]
        self.execute = Batcher(self._run, names, batched=config["max_batch_size"] > 0)

    def _run(self, inputs: Arrays, wanted: list[str]) -> Arrays:
        return dict(zip(wanted, self._session.run(wanted, inputs), strict=True))


def _load(path: Path, config: dict[str, Any], args: dict[str, str]) -> Any:
    # Imported here, because Triton imports this file in another process when it completes configs.
    import onnxruntime

    if not path.is_file():
        raise ValueError(f"{path} does not exist: put the graph there or name it in default_model_filename")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = parameter(config, "intra_op_thread_count", 0)
    options.inter_op_num_threads = parameter(config, "inter_op_thread_count", 0)
    options.enable_cpu_mem_arena = bool(parameter(config, "enable_mem_arena", 1))
    options.enable_mem_pattern = bool(parameter(config, "enable_mem_pattern", 1))
    # Every model is a process of its own on the same cores: a spinning thread takes CPU time from the others.
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
