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

from client.errors import ModelMismatch, ServerUnavailable
from client.request_tensors import build_tensors
from client.signature import Signature, read_signature
from client.transport import open_transport

DEFAULT_URL = "grpc://127.0.0.1:8001"
DEFAULT_MODEL = "recommend"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_RETRIES = 3
ITEM_ID, SCORE, SOURCE = "item_id", "score", "source"

_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 2.0

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Recommendation:
    """The answer to one request, best item first; shorter than K where the model had fewer candidates.

    `source`: of `recommend_stored`, whether the user's embedding was "stored" or "computed" from the request.
    """

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    source: str = ""


class RecommendClient:
    """A connection to one model of a Triton server.

        with RecommendClient("grpc://127.0.0.1:8001") as client:
            request = {"household_id": "1", "hour": 18, "weekday": 4, "recent_items": ["1029743", "995242"]}
            [answer] = client.recommend([request])

    What a request leaves out is null, but for ints, which have none: hour and weekday above must be given. (Ints that
    `recommend_stored` does not read for a stored user may be left out, and are unknown.)

    `timeout_s` bounds every single call; a call that finds the server unavailable is repeated up to
    `retries` times, after 0.1 s, 0.2 s, 0.4 s, ... (at most 2 s, each shortened at random by up to a half
    so that clients do not return in step). Bad requests and timeouts are never repeated. One client belongs
    to one thread.
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
        """The tensors that the server states, asked for once. Raises UnknownModel, ModelMismatch."""
        if self._signature is None:
            metadata = self._patiently(lambda: self._transport.metadata(self.model))
            self._signature = read_signature(metadata, self._patiently(lambda: self._transport.config(self.model)))
        return self._signature

    def is_ready(self) -> bool:
        """Whether the server and all its models are ready. Raises ServerUnavailable if nobody answers."""
        return self._patiently(self._transport.ready)

    def server(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return self._patiently(self._transport.server)

    def models(self) -> list[dict[str, Any]]:
        """The server's repository index: name, version, state and reason of each model."""
        return self._patiently(self._transport.models)

    def recommend(self, requests: Sequence[Mapping[str, object]]) -> list[Recommendation]:
        """Answer each request, in their order; sent in batches of the server's max_batch_size.

        A request maps feature names to values; see `client.request_tensors` for types and nulls.
        Raises InvalidRequest (nothing of that batch was sent), and the errors of `infer`.
        """
        signature = self.signature
        missing = [name for name in (ITEM_ID, SCORE) if name not in signature.outputs]
        if missing:
            given = ", ".join(signature.outputs)
            raise ModelMismatch(f"{self.model}: gives no {missing[0]} but {given}: name a recommend ensemble")
        answers: list[Recommendation] = []
        for start in range(0, len(requests), signature.max_batch_size):
            batch = requests[start : start + signature.max_batch_size]
            answers += self._recommend_batch(signature, batch)
        return answers

    def _recommend_batch(self, signature: Signature, batch: Sequence[Mapping[str, object]]) -> list[Recommendation]:
        wanted = (ITEM_ID, SCORE, *([SOURCE] if SOURCE in signature.outputs else []))
        outputs = self.infer(self.model, build_tensors(signature, batch), outputs=wanted)
        ids, scores = outputs[ITEM_ID], outputs[SCORE]
        if ids.ndim != 2 or ids.shape != scores.shape or len(ids) != len(batch):
            raise ModelMismatch(
                f"{self.model}: gave {ITEM_ID} {list(ids.shape)} and {SCORE} {list(scores.shape)} for "
                f"{len(batch)} requests: both must be [B, K]"
            )
        sources = outputs[SOURCE][:, 0].tolist() if SOURCE in outputs else [b""] * len(batch)
        return [_recommendation(*row) for row in zip(ids.tolist(), scores.tolist(), sources, strict=True)]

    def infer(
        self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Send arrays `[B, ...]` as they are to any model and give its outputs by name (all of them by
        default).

        Strings travel as object arrays of bytes. Raises RequestRefused where the server answers with an
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


def _recommendation(ids: list[bytes], scores: list[float], source: bytes) -> Recommendation:
    filled = [slot for slot, item in enumerate(ids) if item != b"" and scores[slot] != -np.inf]
    item_ids = tuple(ids[slot].decode() for slot in filled)
    return Recommendation(item_ids, tuple(scores[slot] for slot in filled), source.decode())
