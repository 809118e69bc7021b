"""The Triton backend `pytorch` in Python, for the embedded server: it runs TorchScript `1/model.pt` like NVIDIA's.

Inputs are bound to forward's arguments by NVIDIA's rule: by name if every input has an argument's name; else by index
if all are named `<anything>__<index>`; else in the order of config.pbtxt. Outputs are taken by index if all are named
so, else in the order of config.pbtxt. It refuses what NVIDIA's backend refuses: another number of inputs than forward
takes, an argument or a result that is not a tensor, a dtype that is not the config's.
Supported: `default_model_filename`; the parameters `INTRA_OP_THREAD_COUNT`, `INTER_OP_THREAD_COUNT` (also as
`NUM_THREADS`, `NUM_INTEROP_THREADS`), `DISABLE_OPTIMIZED_EXECUTION`; KIND_GPU if torch has CUDA.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from serving.backends.request_batches import Arrays, Batcher, parameter

TORCH_TYPES = {
    "TYPE_BOOL": "bool",
    "TYPE_UINT8": "uint8",
    "TYPE_INT8": "int8",
    "TYPE_INT16": "int16",
    "TYPE_INT32": "int32",
    "TYPE_INT64": "int64",
    "TYPE_FP16": "float16",
    "TYPE_FP32": "float32",
    "TYPE_FP64": "float64",
}


class TritonPythonModel:
    """One instance of a TorchScript model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the module and bind the config's names to its arguments.

        Raises:
            ValueError: The file is missing, torch lacks a type, or the inputs are not those of forward.

        """
        # Imported here, because it takes a second and Triton imports this file again when it completes configs.
        import torch

        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.pt")
        if not path.is_file():
            raise ValueError(f"{path} does not exist: put the module there or name it in default_model_filename")
        for each in config["input"] + config["output"]:
            if each["data_type"] not in TORCH_TYPES:
                raise ValueError(
                    f"'{each['name']}' is {each['data_type']}, for which torch has no tensor: "
                    "encode it in another model, or declare the type that forward takes or returns"
                )
        intra = parameter(config, "INTRA_OP_THREAD_COUNT", parameter(config, "NUM_THREADS", 0))
        inter = parameter(config, "INTER_OP_THREAD_COUNT", parameter(config, "NUM_INTEROP_THREADS", 0))
        if intra > 0:
            torch.set_num_threads(intra)
        if inter > 0:
            torch.set_num_interop_threads(inter)
        if _flag(config, "DISABLE_OPTIMIZED_EXECUTION"):
            torch._C._set_graph_executor_optimize(False)
        on_gpu = args["model_instance_kind"] == "GPU" and torch.cuda.is_available()
        self._torch = torch
        self._device = torch.device("cuda", int(args["model_instance_device_id"])) if on_gpu else torch.device("cpu")
        self._module: Any = torch.jit.load(str(path), map_location=self._device)  # type: ignore[no-untyped-call]
        arguments = list(self._module.forward.schema.arguments)[1:]
        self._order = _order_inputs([each["name"] for each in config["input"]], arguments)
        self._dtypes = {each["name"]: TORCH_TYPES[each["data_type"]] for each in config["output"]}
        outputs = list(self._dtypes)
        self._position = _positions(outputs) or {name: index for index, name in enumerate(outputs)}
        self.execute = Batcher(self._run, outputs, batched=config["max_batch_size"] > 0)

    def _run(self, inputs: Arrays, wanted: list[str]) -> Arrays:
        torch = self._torch
        with torch.inference_mode():
            # An empty array of Triton has no memory, and torch needs some.
            tensors = {
                name: torch.from_numpy(array if array.size else array.copy()).to(self._device)
                for name, array in inputs.items()
            }
            answer = self._module(*[tensors[name] for name in self._order])
            outputs = answer if isinstance(answer, tuple) else (answer,)
            if max(self._position.values()) >= len(outputs):
                raise ValueError(
                    f"forward returns {len(outputs)} tensors, config.pbtxt declares {list(self._position)}: "
                    "declare one output for each"
                )
            return {name: self._array(name, outputs) for name in wanted}

    def _array(self, name: str, outputs: tuple[Any, ...]) -> np.ndarray[Any, Any]:
        tensor = outputs[self._position[name]]
        if not isinstance(tensor, self._torch.Tensor) or not tensor.dim():
            raise ValueError(f"output '{name}': forward returns a {type(tensor).__name__} or a scalar: return a tensor")
        array: np.ndarray[Any, Any] = tensor.contiguous().cpu().numpy()
        if array.dtype.name != self._dtypes[name]:
            raise ValueError(
                f"output '{name}' is {self._dtypes[name]} in config.pbtxt and forward returns {array.dtype.name}: "
                "declare what it returns"
            )
        return array


def _order_inputs(names: list[str], arguments: list[Any]) -> list[str]:
    formal = [argument.name for argument in arguments]
    if len(names) != len(formal):
        raise ValueError(f"config.pbtxt declares inputs {names}, forward takes {formal}: declare one for each")
    for argument in arguments:
        if str(argument.type) != "Tensor":
            raise ValueError(f"forward's argument '{argument.name}' is {argument.type}: make it a Tensor")
    if set(names) <= set(formal):
        return [name for name in formal if name in names]
    positions = _positions(names)
    if positions and sorted(positions.values()) != list(range(len(names))):
        raise ValueError(f"inputs {names} are not numbered from 0 to {len(names) - 1}, each once: number them so")
    return sorted(names, key=positions.__getitem__) if positions else names


def _positions(names: list[str]) -> dict[str, int]:
    # The first "__" counts: of "a__b__0", NVIDIA's backend reads "b__0", which is no index.
    found = {name: re.fullmatch(r"((?!__).)*__(?P<index>[0-9]*)", name) for name in names}
    return {name: int(match["index"] or 0) for name, match in found.items() if match} if all(found.values()) else {}


def _flag(config: dict[str, Any], name: str) -> bool:
    return str(config.get("parameters", {}).get(name, {}).get("string_value", "")).lower() in ("true", "1")
