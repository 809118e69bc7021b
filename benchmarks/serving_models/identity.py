"""A Triton model in Python that does nothing: it returns a constant answer, made when it was loaded.

What it costs is what the server costs for requests and answers of these shapes: their way over the network, through
the scheduler and through shared memory into this process and back.
"""

import json
from typing import Any

import numpy as np


class TritonPythonModel:
    """One instance; its requests have one row each."""

    def initialize(self, args: dict[str, str]) -> None:
        """Make the answer, `{output: [1, K]}`: strings of the length of an item's id, zeros."""
        import triton_python_backend_utils as pb_utils

        config = json.loads(args["model_config"])
        self._answer = [pb_utils.Tensor(each["name"], _constant(each)) for each in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Give each request the same answer."""
        import triton_python_backend_utils as pb_utils

        return [pb_utils.InferenceResponse(self._answer) for _ in requests]


def _constant(output: dict[str, Any]) -> np.ndarray[Any, Any]:
    shape = [1, *(int(size) for size in output["dims"])]
    if output["data_type"] == "TYPE_STRING":
        return np.full(shape, "1000000", dtype=np.object_)
    return np.zeros(shape, dtype=np.float32)
