"""The typed client: requests in, ranked items out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from client.errors import InvalidRequest, ModelMismatch, ServerUnavailable
from client.request_tensors import build_tensors
from client.signature import ABOUT_THE_ANSWER, ITEM_ID, SCORE, Signature, newest_kept, read_signature
from client.transport import open_transport

DEFAULT_URL = "grpc://127.0.0.1:8001"
DEFAULT_MODEL = "recommend"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_RETRIES = 3
_NUMBERS = ("FP16", "FP32", "FP64")
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 2.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Recommendation:
    """The answer to one request, best item first; shorter than K if the model had fewer candidates.

    `source`: for `recommend_stored`, whether the user's embedding was "stored" or "computed" from the request.
    `reason`: for a next-item model and `similar_items`, "model", or why the items are popular ones, or why there are
    none. `known`: for a next-item model, the share of the history's items that it knows; None for other models.
    """

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    source: str = ""
    reason: str = ""
    known: float | None = None


class RecommendClient:
    """A connection to one model of a Triton server.

        with RecommendClient("grpc://127.0.0.1:8001") as client:
            request = {"household_id": "1", "hour": 18, "weekday": 4, "recent_items": ["1029743", "995242"]}
            [answer] = client.recommend([request])

    A feature that a request leaves out is null, except ints, which have no null: hour and weekday above are required.
    (Ints that `recommend_stored` does not read for a stored user may be left out, and are then unknown.)

    `timeout_s` bounds every single call; a call that finds the server unavailable is repeated up to
    `retries` times, after 0.1 s, 0.2 s, 0.4 s, ... (at most 2 s, each shortened at random by up to a half
    so that clients do not retry at the same time). Bad requests and timeouts are never repeated. One client
    belongs to one thread.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        model: str = DEFAULT_MODEL,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        if timeout_s <= 0 or retries < 0:
            raise ValueError(f"timeout_s {timeout_s}, retries {retries}: give more than 0 s and at least 0 retries")
        self.url = url
        self.model = model
        self._retries = retries
        self._transport = open_transport(url, timeout_s)
        self._signature: Signature | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    @property
    def signature(self) -> Signature:
        """Return the tensors of the model, requested once. Raises UnknownModel, ModelMismatch."""
        if self._signature is None:
            metadata = self._patiently(lambda: self._transport.metadata(self.model))
            self._signature = read_signature(metadata, self._config(self.model))
        return self._signature

    def sequence_lengths(self) -> dict[str, int]:
        """Return how many items of each sequence the model keeps, if its config or that of a member says so."""
        config = self._config(self.model)
        names = {name: name for name in self.signature.inputs}
        lengths = newest_kept(config, names)
        for step in config.get("ensemble_scheduling", {}).get("step", []):
            member = self._config(step["model_name"])
            lengths.update(newest_kept(member, step.get("input_map", {})))
        return {name: n for name, n in lengths.items() if name in names and self.signature.inputs[name].is_sequence}

    def _config(self, model: str) -> dict[str, Any]:
        return self._patiently(lambda: self._transport.config(model))

    def is_ready(self) -> bool:
        """Return whether the server and all its models are ready.

        Raises ServerUnavailable if nothing answers, and NotTriton if something else does.
        """
        return self.is_server_ready() and not self.not_ready()

    def is_server_ready(self) -> bool:
        """Return whether the server reports ready, which includes the models that it should load."""
        return self._patiently(self._transport.ready)

    def not_ready(self) -> list[str]:
        """Return the names of the models that are not ready; each is asked, independent of the repository index.

        A model that the server should not load, or that was unloaded, does not count.
        """
        wanted = [model for model in self.models() if model.get("state") and model.get("reason") != "unloaded"]
        return list(dict.fromkeys(model["name"] for model in wanted if not self._is_model_ready(model)))

    def _is_model_ready(self, model: Mapping[str, Any]) -> bool:
        name, version = str(model["name"]), str(model.get("version", ""))
        return model["state"] == "READY" and self._patiently(lambda: self._transport.model_ready(name, version))

    def server(self) -> dict[str, Any]:
        """Return name, version and extensions of the server."""
        return self._patiently(self._transport.server)

    def models(self) -> list[dict[str, Any]]:
        """Return the server's repository index: name, version, state and reason of each model."""
        return self._patiently(self._transport.models)

    def recommend(self, requests: Sequence[Mapping[str, object]]) -> list[Recommendation]:
        """Return the answers in the order of the requests, which are sent in batches of the server's max_batch_size.

        A request maps feature names to values; `client.request_tensors` describes types and nulls.
        Raises InvalidRequest (the batch was not sent), and the errors of `infer`.
        """
        if isinstance(requests, Mapping | str | bytes) or not isinstance(requests, Sequence):
            raise InvalidRequest(f"requests: seen {type(requests).__name__}: give a list with one mapping per request")
        signature = self.signature
        self._require_answer(signature)
        answers: list[Recommendation] = []
        for start in range(0, len(requests), signature.max_batch_size):
            batch = requests[start : start + signature.max_batch_size]
            answers += self._recommend_batch(signature, batch, start)
        return answers

    def _require_answer(self, signature: Signature) -> None:
        for name, types in ((ITEM_ID, ("BYTES",)), (SCORE, _NUMBERS)):
            if name not in signature.outputs:
                given = ", ".join(signature.outputs)
                raise ModelMismatch(f"{self.model}: returns no {name} but {given}: name a recommend ensemble")
            seen = signature.outputs[name].datatype
            if seen not in types:
                raise ModelMismatch(
                    f"{self.model}: returns {name} as {seen}, not {types[-1]}: name a recommend ensemble"
                )

    def _recommend_batch(
        self, signature: Signature, batch: Sequence[Mapping[str, object]], first: int
    ) -> list[Recommendation]:
        wanted = (ITEM_ID, SCORE, *(name for name in ABOUT_THE_ANSWER if name in signature.outputs))
        outputs = self.infer(self.model, build_tensors(signature, batch, first=first), outputs=wanted)
        shapes = {name: list(outputs[name].shape) if name in outputs else [] for name in wanted}
        if any(len(shape) != 2 or shape[0] != len(batch) for shape in shapes.values()) or (
            shapes[ITEM_ID] != shapes[SCORE]
        ):
            given = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ModelMismatch(f"{self.model}: returned {given} for {len(batch)} requests: all must be [B, K]")
        about = {name: outputs[name][:, 0].tolist() for name in wanted[2:]}
        rows = zip(outputs[ITEM_ID].tolist(), outputs[SCORE].tolist(), strict=True)
        return [
            _recommendation(ids, scores, **{name: values[row] for name, values in about.items()})
            for row, (ids, scores) in enumerate(rows)
        ]

    def infer(
        self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Send arrays `[B, ...]` unchanged to any model and return its outputs by name.

        Without `outputs` it returns all outputs, in the order of the server's backend.

        Strings are object arrays of bytes. Raises RequestRefused if the server answers with an
        error, UnknownModel, RequestTimeout, ServerUnavailable after the last retry.
        """
        return self._patiently(lambda: self._transport.infer(model, arrays, outputs))

    def _patiently(self, call: Callable[[], _Answer]) -> _Answer:
        for attempt in range(self._retries):
            try:
                return call()
            except ServerUnavailable:
                pause_s = min(_FIRST_BACKOFF_S * 2**attempt, _LONGEST_BACKOFF_S)
                time.sleep(pause_s * random.uniform(0.5, 1.0))
        return call()


def _recommendation(
    ids: list[bytes | str],
    scores: list[float],
    source: bytes | str = "",
    reason: bytes | str = "",
    known: float | None = None,
) -> Recommendation:
    filled = [slot for slot, item in enumerate(ids) if item and scores[slot] != -np.inf]
    items, kept = tuple(_text(ids[slot]) for slot in filled), tuple(scores[slot] for slot in filled)
    return Recommendation(items, kept, _text(source), _text(reason), known)


def _text(value: bytes | str) -> str:
    # Backends treat an id that is not UTF-8 differently; the client shows it and never fails on it.
    return value if isinstance(value, str) else value.decode(errors="replace")
