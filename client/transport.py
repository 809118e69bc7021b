"""The two ways to a Triton server, gRPC and HTTP, behind one set of calls and one error tree.

`tritonclient` speaks both; here its exceptions, and those of the libraries below it, become ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from client.errors import (
    ClientError,
    InvalidUrl,
    RequestRefused,
    RequestTimeout,
    ServerUnavailable,
    UnknownModel,
)


class Transport(Protocol):
    """One connection. Every call raises ServerUnavailable, RequestTimeout, RequestRefused or UnknownModel."""

    def ready(self) -> bool: ...

    def server(self) -> dict[str, Any]: ...

    def models(self) -> list[dict[str, Any]]: ...

    def metadata(self, model: str) -> dict[str, Any]: ...

    def config(self, model: str) -> dict[str, Any]: ...

    def infer(
        self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]: ...

    def close(self) -> None: ...


def split_url(url: str) -> tuple[str, str]:
    """("grpc" or "http", "host:port") of a URL such as grpc://127.0.0.1:8001."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("grpc", "http") or not parts.hostname or port is None or parts.path.strip("/"):
        raise InvalidUrl(f"url {url!r}: is no address of a server: give grpc://host:port or http://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts.scheme, f"{host}:{port}"


def open_transport(url: str, timeout_s: float) -> Transport:
    """Prepare a connection; nothing is sent yet."""
    scheme, address = split_url(url)
    return _Grpc(url, address, timeout_s) if scheme == "grpc" else _Http(url, address, timeout_s)


def _answer_error(url: str, timeout_s: float, model: str, status: str, message: str) -> ClientError:
    message = " ".join(message.split())
    # Triton says so of a model that is in no repository and of one that is not loaded (any more).
    if message.startswith("Request for unknown model"):
        return UnknownModel(f"{url} has no model {model!r} ready: `python -m client health` lists its models")
    if status in ("StatusCode.UNAVAILABLE", "503", "502", "504"):
        return ServerUnavailable(f"{url} does not answer ({message}): start the server or correct the url")
    if status in ("StatusCode.DEADLINE_EXCEEDED", "499"):
        return RequestTimeout(f"{url} gave no answer in {timeout_s:g} s: raise the timeout or lower the load")
    return RequestRefused(f"{model or url} refused the request: {message}")


class _Connection:
    """What both have in common; `triton` is the module of tritonclient that `client` is of."""

    def __init__(self, triton: Any, client: Any, url: str, timeout_s: float) -> None:
        self._triton, self._client, self._url, self._timeout_s = triton, client, url, timeout_s

    @contextlib.contextmanager
    def _errors(self, model: str = "") -> Iterator[None]:
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except InferenceServerException as error:
            status, message = str(error.status()), str(error.message())
            raise _answer_error(self._url, self._timeout_s, model, status, message) from None
        except TimeoutError:
            raise _answer_error(self._url, self._timeout_s, model, "499", "") from None
        except OSError as error:
            raise _answer_error(self._url, self._timeout_s, model, "503", str(error)) from None

    def close(self) -> None:
        self._client.close()


class _Grpc(_Connection):
    def __init__(self, url: str, address: str, timeout_s: float) -> None:
        import tritonclient.grpc as triton

        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        # gRPC itself waits up to two minutes between attempts to reconnect; our retries are shorter.
        reconnect = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
        client = triton.InferenceServerClient(address, channel_args=unlimited + reconnect)
        super().__init__(triton, client, url, timeout_s)

    def ready(self) -> bool:
        with self._errors():
            return bool(self._client.is_server_ready(client_timeout=self._timeout_s))

    def server(self) -> dict[str, Any]:
        with self._errors():
            answer: dict[str, Any] = self._client.get_server_metadata(as_json=True, client_timeout=self._timeout_s)
            return answer

    def models(self) -> list[dict[str, Any]]:
        with self._errors():
            index = self._client.get_model_repository_index(as_json=True, client_timeout=self._timeout_s)
            return list(index.get("models", []))

    def metadata(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            answer: dict[str, Any] = self._client.get_model_metadata(
                model, as_json=True, client_timeout=self._timeout_s
            )
            return answer

    def config(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            answer = self._client.get_model_config(model, as_json=True, client_timeout=self._timeout_s)
            return dict(answer["config"])

    def infer(self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs = _inputs(self._triton, arrays)
        wanted = [self._triton.InferRequestedOutput(name) for name in outputs] or None
        with self._errors(model):
            answer = self._client.infer(model, inputs, outputs=wanted, client_timeout=self._timeout_s)
            return {tensor.name: answer.as_numpy(tensor.name) for tensor in answer.get_response().outputs}


class _Http(_Connection):
    def __init__(self, url: str, address: str, timeout_s: float) -> None:
        import tritonclient.http as triton

        client = triton.InferenceServerClient(address, connection_timeout=timeout_s, network_timeout=timeout_s)
        super().__init__(triton, client, url, timeout_s)

    def ready(self) -> bool:
        with self._errors():
            return bool(self._client.is_server_ready())

    def server(self) -> dict[str, Any]:
        with self._errors():
            return dict(self._client.get_server_metadata())

    def models(self) -> list[dict[str, Any]]:
        with self._errors():
            return list(self._client.get_model_repository_index())

    def metadata(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            return dict(self._client.get_model_metadata(model))

    def config(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            return dict(self._client.get_model_config(model))

    def infer(self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs = _inputs(self._triton, arrays)
        wanted = [self._triton.InferRequestedOutput(name) for name in outputs] or None
        with self._errors(model):
            answer = self._client.infer(model, inputs, outputs=wanted)
            return {tensor["name"]: answer.as_numpy(tensor["name"]) for tensor in answer.get_response()["outputs"]}


def _inputs(triton: Any, arrays: Mapping[str, NDArray[Any]]) -> list[Any]:
    from tritonclient.utils import np_to_triton_dtype

    inputs = []
    for name, array in arrays.items():
        tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
        inputs.append(tensor)
    return inputs
