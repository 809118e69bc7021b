"""The only table that maps errors of the client's libraries to the client's own errors.

raised                                                          becomes
InferenceServerException, a status that means "not there"       ServerUnavailable
  a deadline                                                    RequestTimeout
  an error page, another protocol, another gRPC service         NotTriton
  a model that is not loaded                                    UnknownModel
  anything else: Triton's own refusal                           RequestRefused
TimeoutError                                                    RequestTimeout
OSError; HTTPException of an answer that broke off              ServerUnavailable
every other exception: the answer cannot be parsed              NotTriton
"""

from __future__ import annotations

import re
from http.client import HTTPException

from client.errors import ClientError, NotTriton, RequestRefused, RequestTimeout, ServerUnavailable, UnknownModel

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


def client_error(error: Exception, url: str, timeout_s: float, model: str = "") -> ClientError:
    """Return the client's error for a library's error in a call to `url`, about `model` if the call has one."""
    from tritonclient.utils import InferenceServerException

    if isinstance(error, ClientError):
        return error
    if isinstance(error, InferenceServerException):
        return _answered(url, timeout_s, model, str(error.status()), error.message())
    seen = _said(error)
    if isinstance(error, TimeoutError):
        return _timeout(url, timeout_s)
    if isinstance(error, OSError):
        return _unavailable(url, error.strerror or seen)
    if isinstance(error, HTTPException) and any(word in seen for word in _BROKE_OFF):
        return _hangs_up(url, seen)
    return not_triton(url, f"{type(error).__name__}: {seen}")


def not_triton(url: str, seen: str) -> NotTriton:
    """Return the error about a URL at which something else answers."""
    seen = seen if len(seen) <= 160 else seen[:157] + "..."
    port = "gRPC" if url.lower().startswith("grpc") else "HTTP"
    return NotTriton(f"{url}: answers, but not as a Triton server ({seen}): give the {port} port of `serving up`")


def _answered(url: str, timeout_s: float, model: str, status: str, said: object) -> ClientError:
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
