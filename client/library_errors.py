"""Errors of the client's libraries, mapped to the client's own errors."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from http.client import HTTPException
from typing import Any

from client.errors import ClientError, NotTriton, RequestRefused, RequestTimeout, ServerUnavailable, UnknownModel
from stage.library_errors import Becomes, map_errors, says

_UNAVAILABLE = ("StatusCode.UNAVAILABLE", "StatusCode.CANCELLED", "502", "503", "504")
_TIMEOUT = ("StatusCode.DEADLINE_EXCEEDED", "499")
# Triton's own errors are JSON with a text; for anything else tritonclient raises one of these.
_PAGE = (
    "an exception occurred in the client while decoding the response",
    "client received an empty response from the server",
)
_ANOTHER_SERVICE = (
    "Failed parsing HTTP/2",
    "http1.x server",
    "http2 header",
    "unknown service",
    "Method not found",
    "Exception deserializing response",
)
_CONNECTING = re.compile(r"^failed to connect to all addresses; last error: \w+: ipv[46]:\S+: ")
_BROKE_OFF = ("closed", "Incomplete", "EOF")


def library_errors(url: str, timeout_s: float, model: str = "") -> AbstractContextManager[None]:
    """Return a block for a call to `url`, about `model` if given, that raises only `ClientError`."""
    from tritonclient.utils import InferenceServerException

    return map_errors(
        Becomes(InferenceServerException, lambda error: _answered(url, timeout_s, model, error)),
        Becomes(TimeoutError, lambda _: _timeout(url, timeout_s)),
        Becomes(OSError, lambda error: _unavailable(url, error.strerror or _said(error))),
        Becomes(HTTPException, lambda error: _hangs_up(url, _said(error)), says(*_BROKE_OFF)),
        # The answer cannot be parsed.
        Becomes(Exception, lambda error: not_triton(url, f"{type(error).__name__}: {_said(error)}")),
    )


def not_triton(url: str, seen: str) -> NotTriton:
    """Return the error about a URL at which something else answers."""
    seen = seen if len(seen) <= 160 else seen[:157] + "..."
    port = "gRPC" if url.lower().startswith("grpc") else "HTTP"
    return NotTriton(f"{url}: answers, but not as a Triton server ({seen}): give the {port} port of `serving up`")


def _answered(url: str, timeout_s: float, model: str, error: Any) -> ClientError:
    """Return the error for an error of tritonclient: its own, gRPC's, or a refusal of Triton."""
    status, said = str(error.status()), error.message()
    message = _CONNECTING.sub("", " ".join(str(said).split()))
    # Triton's message for a model that is not in the repository, and for one that is not loaded (any more).
    if message.startswith("Request for unknown model"):
        return UnknownModel(f"{url} has no model {model!r} ready: `python -m client health` lists its models")
    page = not isinstance(said, str) or message.startswith(_PAGE)
    if page:
        message = f"HTTP status {status}"
    elif any(words in message for words in _ANOTHER_SERVICE):
        return not_triton(url, message)
    if status in _UNAVAILABLE:
        hung_up = "Socket closed" in message or "CANCELLED" in status
        return _hangs_up(url, message) if hung_up else _unavailable(url, message)
    if status in _TIMEOUT:
        return _timeout(url, timeout_s)
    return not_triton(url, message) if page else RequestRefused(f"{model or url} refused the request: {message}")


def _unavailable(url: str, reason: str) -> ServerUnavailable:
    return ServerUnavailable(f"{url} does not answer ({reason}): start the server or correct the url")


def _hangs_up(url: str, reason: str) -> ServerUnavailable:
    port = "gRPC" if url.lower().startswith("grpc") else "HTTP"
    return ServerUnavailable(
        f"{url} ends the connection before the answer does ({reason}): try again when the server is up, "
        f"and give the {port} port of `serving up`"
    )


def _timeout(url: str, timeout_s: float) -> RequestTimeout:
    return RequestTimeout(
        f"{url} gave no answer within {timeout_s:g} s: raise the timeout (--timeout) or lower the load"
    )


def _said(error: Exception) -> str:
    # llhttp's errors have a number after their text.
    text = error.args[0] if isinstance(error, HTTPException) and error.args else error
    return " ".join(str(text).split())
