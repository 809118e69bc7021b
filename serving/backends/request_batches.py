"""The conversion of the requests that Triton passes at once to batches, and of batches to responses.

Shared by our python-based backends. Arrays have the batch dimension first, `[B, ...]`, when the model's max_batch_size
is not 0. Requests whose inputs agree in name, dtype and every dimension except the first form one batch; it runs once
and its outputs are split along the first dimension. If a batch fails, each of its requests runs alone, so that only
the request with the fault is answered with an error.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import triton_python_backend_utils as pb_utils

Arrays = dict[str, np.ndarray[Any, Any]]
Run = Callable[[Arrays, list[str]], Arrays]
"""Return the wanted outputs `{name: [B, ...]}` for inputs `{name: [B, ...]}` and the names of outputs."""


class Batcher:
    """Answer lists of requests with one model.

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
        responses: list[Any] = [None] * len(requests)
        groups: dict[Any, list[_Member]] = {}
        for index, request in enumerate(requests):
            try:
                member = self._read(index, request)
            except Exception as error:
                responses[index] = _failure(error)
            else:
                key = _shape(member.inputs) if self._batched and len(requests) > 1 else index
                groups.setdefault(key, []).append(member)
        for members in groups.values():
            for member, response in zip(members, self._answer(members), strict=True):
                responses[member.place] = response
        return responses

    def _read(self, index: int, request: Any) -> "_Member":
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        asked = request.requested_output_names()
        return _Member(index, inputs, [name for name in self._outputs if name in asked])

    def _answer(self, members: list["_Member"]) -> list[Any]:
        if len(members) == 1:
            return [self._answer_alone(members[0])]
        try:
            return self._answer_together(members)
        except Exception:
            # One of them has a fault, or the model mixes rows: alone, each gets its own answer.
            return [self._answer_alone(member) for member in members]

    def _answer_alone(self, member: "_Member") -> Any:
        try:
            return _respond(self._run(member.inputs, member.wanted), member.wanted)
        except Exception as error:
            return _failure(error)

    def _answer_together(self, members: list["_Member"]) -> list[Any]:
        inputs = {name: np.concatenate([member.inputs[name] for member in members]) for name in members[0].inputs}
        wanted = [name for name in self._outputs if any(name in member.wanted for member in members)]
        sizes = [len(next(iter(member.inputs.values()))) for member in members]
        outputs = self._run(inputs, wanted)
        _check_rows(outputs, sum(sizes))
        responses = []
        start = 0
        for member, size in zip(members, sizes, strict=True):
            part = {name: outputs[name][start : start + size] for name in member.wanted}
            responses.append(_respond(part, member.wanted))
            start += size
        return responses


class _Member(NamedTuple):
    place: int
    inputs: Arrays
    wanted: list[str]


def _shape(inputs: Arrays) -> tuple[Any, ...]:
    return tuple(sorted((name, array.dtype.char, array.shape[1:]) for name, array in inputs.items()))


def _respond(outputs: Arrays, wanted: list[str]) -> Any:
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, outputs[name]) for name in wanted])


def _check_rows(outputs: Arrays, expected: int) -> None:
    for name, array in outputs.items():
        if array.shape[:1] != (expected,):
            raise ValueError(f"output '{name}' has shape {list(array.shape)} for {expected} rows of input")


def _failure(error: Exception) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{type(error).__name__}: {error}"))


def parameter(config: Mapping[str, Any], name: str, default: int) -> int:
    """Read a whole number from the model's `parameters`.

    Raises:
        ValueError: It is not a whole number.

    """
    text = config.get("parameters", {}).get(name, {}).get("string_value", "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ValueError(f"parameter {name} is '{text}': give a whole number") from None
