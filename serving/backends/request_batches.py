"""Turn the requests that Triton hands over at once into batches, and batches back into responses.

Shared by our python-based backends. Arrays have the batch dimension first, `[B, ...]`, when the model's max_batch_size
is not 0. Requests whose inputs agree in name, dtype and every dimension but the first form one batch; it is run once
and its outputs are cut along the first dimension. If a batch fails, each of its requests is run alone, so that only
the request at fault is answered with an error.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

Arrays = dict[str, np.ndarray[Any, Any]]
Run = Callable[[Arrays, list[str]], Arrays]
"""From inputs `{name: [B, ...]}` and the names of wanted outputs to the outputs `{name: [B, ...]}`."""


class Batcher:
    """Answers lists of requests with one model.

    Args:
        run: The model.
        outputs: The names of the config's outputs.
        batched: Whether the first dimension is the batch (max_batch_size > 0).

    """

    def __init__(self, run: Run, outputs: Sequence[str], *, batched: bool) -> None:
        self._run = run
        self._outputs = list(outputs)
        self._batched = batched

    def __call__(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request, in order."""
        if len(requests) == 1:
            inputs, wanted, _ = self._read(requests[0])
            return [self._answer_alone(inputs, wanted)]
        responses: list[Any] = [None] * len(requests)
        groups: dict[Any, list[tuple[int, Arrays, list[str]]]] = {}
        for index, request in enumerate(requests):
            inputs, wanted, shape = self._read(request)
            key = shape if self._batched else index
            groups.setdefault(key, []).append((index, inputs, wanted))
        for members in groups.values():
            for (index, _, _), response in zip(members, self._answer_group(members), strict=True):
                responses[index] = response
        return responses

    def _read(self, request: Any) -> tuple[Arrays, list[str], tuple[Any, ...]]:
        tensors = request.inputs()
        inputs = {tensor.name(): tensor.as_numpy() for tensor in tensors}
        shape = tuple(sorted((name, array.dtype.char, array.shape[1:]) for name, array in inputs.items()))
        asked = request.requested_output_names()
        return inputs, [name for name in self._outputs if name in asked], shape

    def _answer_alone(self, inputs: Arrays, wanted: list[str]) -> Any:
        try:
            return self._respond(self._run(inputs, wanted), wanted)
        except Exception as error:
            return _failure(error)

    def _answer_group(self, members: list[tuple[int, Arrays, list[str]]]) -> list[Any]:
        if len(members) == 1:
            return [self._answer_alone(members[0][1], members[0][2])]
        first = members[0][1]
        sizes = [len(next(iter(inputs.values()))) for _, inputs, _ in members]
        wanted = [name for name in self._outputs if any(name in asked for _, _, asked in members)]
        together = {name: np.concatenate([inputs[name] for _, inputs, _ in members]) for name in first}
        try:
            outputs = self._run(together, wanted)
            for name in wanted:
                if len(outputs[name]) != sum(sizes):
                    raise ValueError(f"output '{name}' has {len(outputs[name])} rows for {sum(sizes)} of input")
        except Exception:
            return [self._answer_alone(inputs, asked) for _, inputs, asked in members]
        responses = []
        start = 0
        for (_, _, asked), size in zip(members, sizes, strict=True):
            part = {name: outputs[name][start : start + size] for name in asked}
            responses.append(self._respond(part, asked))
            start += size
        return responses

    def _respond(self, outputs: Arrays, wanted: list[str]) -> Any:
        tensors = [pb_utils.Tensor(name, outputs[name]) for name in wanted]
        return pb_utils.InferenceResponse(tensors)


def _failure(error: Exception) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{type(error).__name__}: {error}"))


def parameter(config: Mapping[str, Any], name: str, default: int) -> int:
    """Read a whole number from the model's `parameters`.

    Raises:
        ValueError: It is something else.

    """
    text = config.get("parameters", {}).get(name, {}).get("string_value", "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ValueError(f"parameter {name} is '{text}': give a whole number") from None
