"""Triton backend `pytorch` in Python, for the embedded server: runs TorchScript `1/model.pt` as NVIDIA's backend does.

Inputs are bound to forward's arguments by NVIDIA's rule: by name if every input is named as an argument; else by index
if all are named `<anything>__<index>`; else in the order of config.pbtxt. Outputs are taken by index if all are named
so, else in the order of config.pbtxt.
Understood: `default_model_filename`; the parameters `INTRA_OP_THREAD_COUNT`, `INTER_OP_THREAD_COUNT` (also as
`NUM_THREADS`, `NUM_INTEROP_THREADS`), `DISABLE_OPTIMIZED_EXECUTION`; KIND_GPU where torch has CUDA.
"""

import json
import re
from pathlib import Path
from typing import Any

from serving.backends.request_batches import Arrays, Batcher, parameter


class TritonPythonModel:
    """One instance of a TorchScript model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the module and bind the config's names to its arguments.

        Raises:
            ValueError: The file is missing, an input is a string, or the names fit no rule.

        """
        # Imported here: it takes a second, and Triton imports this file once more when it completes configs.
        import torch

        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.pt")
        if not path.is_file():
            raise ValueError(f"{path} does not exist: put the module there or name it in default_model_filename")
        for name in (each["name"] for each in config["input"] + config["output"] if each["data_type"] == "TYPE_STRING"):
            raise ValueError(f"'{name}' is TYPE_STRING, torch has no tensor of strings: encode it in another model")
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
        outputs = [each["name"] for each in config["output"]]
        self._position = _positions(outputs) or {name: index for index, name in enumerate(outputs)}
        self.execute = Batcher(self._run, outputs, batched=config["max_batch_size"] > 0)

    def _run(self, inputs: Arrays, wanted: list[str]) -> Arrays:
        torch = self._torch
        with torch.inference_mode():
            # An empty array of Triton has no memory behind it, and torch wants some.
            tensors = {
                name: torch.from_numpy(array if array.size else array.copy()).to(self._device)
                for name, array in inputs.items()
            }
            answer = self._module(*[tensors[name] for name in self._order])
            outputs = [answer] if isinstance(answer, torch.Tensor) else list(answer)
            if max(self._position.values()) >= len(outputs):
                raise ValueError(
                    f"forward returns {len(outputs)} tensors, config.pbtxt declares {list(self._position)}"
                )
            return {name: outputs[self._position[name]].contiguous().cpu().numpy() for name in wanted}


def _order_inputs(names: list[str], arguments: list[Any]) -> list[str]:
    formal = [argument.name for argument in arguments]
    needed = [argument.name for argument in arguments if not argument.has_default_value()]
    if not len(needed) <= len(names) <= len(formal):
        raise ValueError(f"config.pbtxt declares inputs {names}, forward takes {formal}: declare one for each")
    if set(names) <= set(formal):
        return [name for name in formal if name in names]
    positions = _positions(names)
    return sorted(names, key=positions.__getitem__) if positions else names


def _positions(names: list[str]) -> dict[str, int]:
    found = {name: re.fullmatch(r".*__(\d+)", name) for name in names}
    return {name: int(match[1]) for name, match in found.items() if match} if all(found.values()) else {}


def _flag(config: dict[str, Any], name: str) -> bool:
    return str(config.get("parameters", {}).get(name, {}).get("string_value", "")).lower() in ("true", "1")
