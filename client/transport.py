"""The two protocols of Triton, gRPC and HTTP, behind one set of calls and one error tree.

`tritonclient` speaks both. The table in `client.library_errors` maps its exceptions, and those of the libraries below
it, to the client's own. Answers that are not Triton's are refused here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from client.address import split_url
from client.errors import InvalidRequest
from client.library_errors import library_errors, not_triton


class Transport(Protocol):
    """A connection. Its calls raise ServerUnavailable, NotTriton, RequestTimeout, RequestRefused, UnknownModel."""

    def ready(self) -> bool: ...

    def model_ready(self, model: str, version: str) -> bool: ...

    def server(self) -> dict[str, Any]: ...

    def models(self) -> list[dict[str, Any]]: ...

    def metadata(self, model: str) -> dict[str, Any]: ...

    def config(self, model: str) -> dict[str, Any]: ...

    def infer(
        self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[Any]]: ...

    def close(self) -> None: ...


def open_transport(url: str, timeout_s: float) -> Transport:
    """Prepare a connection; nothing is sent yet."""
    scheme, address = split_url(url)
    return _Grpc(url, address, timeout_s) if scheme == "grpc" else _Http(url, address, timeout_s)


class _Connection:
    """The common parts of both; `triton` is the module of tritonclient to which `client` belongs."""

    def __init__(self, triton: Any, client: Any, url: str, timeout_s: float) -> None:
        self._triton, self._client, self._url, self._timeout_s = triton, client, url, timeout_s

    @contextlib.contextmanager
    def _errors(self, model: str = "") -> Iterator[None]:
        with library_errors(self._url, self._timeout_s, model), self._deadline():
            yield

    def _deadline(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    def _object(self, answer: object, *names: str) -> dict[str, Any]:
        """Return the answer if it is an object with these names, as Triton's answers are."""
        if not isinstance(answer, dict) or any(name not in answer for name in names):
            raise not_triton(self._url, f"no {names[0]!r} in its answer")
        return answer

    def _objects(self, answer: object) -> list[dict[str, Any]]:
        if not isinstance(answer, list):
            raise not_triton(self._url, "no list of models")
        return [self._object(each, "name") for each in answer]

    def _arrays(self, answer: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        arrays = {name: answer.as_numpy(name) for name in names}
        if any(array is None for array in arrays.values()):
            raise not_triton(self._url, "an output without its values")
        return arrays

    def close(self) -> None:
        self._client.close()


class _Grpc(_Connection):
    def __init__(self, url: str, address: str, timeout_s: float) -> None:
        import tritonclient.grpc as triton

        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        # gRPC waits up to two minutes between attempts to reconnect; our retries are shorter.
        reconnect = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
        client = triton.InferenceServerClient(address, channel_args=unlimited + reconnect)
        super().__init__(triton, client, url, timeout_s)
        self._how = {"as_json": True, "client_timeout": timeout_s}

    def ready(self) -> bool:
        with self._errors():
            return bool(self._client.is_server_ready(client_timeout=self._timeout_s))

    def model_ready(self, model: str, version: str) -> bool:
        with self._errors(model):
            return bool(self._client.is_model_ready(model, version, client_timeout=self._timeout_s))

    def server(self) -> dict[str, Any]:
        with self._errors():
            return self._object(self._client.get_server_metadata(**self._how), "name", "version")

    def models(self) -> list[dict[str, Any]]:
        with self._errors():
            index = self._client.get_model_repository_index(**self._how)
            return self._objects(index.get("models", []))

    def metadata(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            return self._object(self._client.get_model_metadata(model, **self._how), "name")

    def config(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            answer = self._object(self._client.get_model_config(model, **self._how), "config")
            return self._object(answer["config"], "name")

    def infer(self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs, wanted = _tensors(self._triton, arrays, outputs)
        with self._errors(model):
            answer = self._client.infer(model, inputs, outputs=wanted, client_timeout=self._timeout_s)
            return self._arrays(answer, [tensor.name for tensor in answer.get_response().outputs])


class _Http(_Connection):
    def __init__(self, url: str, address: str, timeout_s: float) -> None:
        import tritonclient.http as triton

        client = triton.InferenceServerClient(address, connection_timeout=timeout_s, network_timeout=timeout_s)
        super().__init__(triton, client, url, timeout_s)

    def _deadline(self) -> AbstractContextManager[object]:
        # The library's own timeouts restart with every received byte.
        import gevent

        deadline: AbstractContextManager[object] = gevent.Timeout(self._timeout_s, TimeoutError())
        return deadline

    def ready(self) -> bool:
        self.server()  # any page with status 200 looks ready
        with self._errors():
            return bool(self._client.is_server_ready())

    def model_ready(self, model: str, version: str) -> bool:
        with self._errors(model):
            return bool(self._client.is_model_ready(model, version))

    def server(self) -> dict[str, Any]:
        with self._errors():
            return self._object(self._client.get_server_metadata(), "name", "version")

    def models(self) -> list[dict[str, Any]]:
        with self._errors():
            return self._objects(self._client.get_model_repository_index())

    def metadata(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            return self._object(self._client.get_model_metadata(model), "name")

    def config(self, model: str) -> dict[str, Any]:
        with self._errors(model):
            return self._object(self._client.get_model_config(model), "name")

    def infer(self, model: str, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs, wanted = _tensors(self._triton, arrays, outputs)
        with self._errors(model):
            answer = self._client.infer(model, inputs, outputs=wanted)
            return self._arrays(answer, [tensor["name"] for tensor in answer.get_response()["outputs"]])


def _tensors(triton: Any, arrays: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> tuple[list[Any], Any]:
    """Return tritonclient's inputs and requested outputs (None for all). Raises InvalidRequest for a type it lacks."""
    from tritonclient.utils import InferenceServerException, np_to_triton_dtype

    inputs = []
    for name, array in arrays.items():
        datatype = np_to_triton_dtype(array.dtype) if isinstance(array, np.ndarray) else None
        try:
            tensor = triton.InferInput(name, list(np.shape(array)), datatype)
            tensor.set_data_from_numpy(np.ascontiguousarray(array))
        except (InferenceServerException, AttributeError, TypeError, ValueError):
            datatype = None
        if datatype is None:
            seen = f"{type(array).__name__} of {getattr(array, 'dtype', 'no dtype')}"
            raise InvalidRequest(f"{name}: seen {seen}: give an array of numbers, or an object array of bytes")
        inputs.append(tensor)
    return inputs, [triton.InferRequestedOutput(name) for name in outputs] or None
