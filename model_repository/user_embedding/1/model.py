"""The Triton model `user_embedding`: the offline state of users, from the release's store or else from its encoder.

- user_id [B, 1] string: the user. All other inputs are the encoder's, and are read only for users who are not in the
  store; a missing one is null: "", NaN, a vector of zeros, the smallest int, which no fit knows.
- user_embedding [B, D] float32 and, if sequences repeat, repeat_items [B, R] int64 and repeat_logits [B, R] float32.
  R is the smallest of 8, 16, 32, ... (at most `repeat_length`) that fits the longest row of all requests answered
  together, because later models batch only equal widths. Rows are padded right with id 0 and an invisible logit.
- source [B, 1] string: "stored", or "computed" by the encoder from the request itself.

The file is self-contained. The store is `users.safetensors` next to it, memory-mapped. config.pbtxt names the encoder,
its tensors with other names or if it takes user_id too (`inside.NAME`), and the digests of the store and of the encoder
that must have made it. "" is not a user. If the encoder fails, only the requests that needed it fail.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FILE = "users.safetensors"
USER_ID, SOURCE, STORED, COMPUTED = "user_id", "source", b"stored", b"computed"
EMBEDDING, REPEAT_ITEMS, REPEAT_LOGITS = "user_embedding", "repeat_items", "repeat_logits"
PADDING_ID, INVISIBLE = 0, -1e4  # a logit whose exp is zero in float32
REMEDY = "export the repository again, or write its store with `python -m export stored`"

Arrays = dict[str, np.ndarray[Any, Any]]
RunModel = Callable[[str, Arrays, list[str]], Arrays]  # another model of the server: its name, inputs, wanted outputs

_NUMPY_TYPES = {"U8": np.uint8, "U64": np.uint64, "I32": np.int32, "I64": np.int64, "F32": np.float32}


class Row(NamedTuple):
    """The state of one user: [D], and the repeated items and their logits, of equal length."""

    embedding: np.ndarray[Any, Any]
    items: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]


def open_model(config: dict[str, Any], folder: Path, run_model: RunModel) -> Any:
    """Return the object that answers requests; the server and `export verify` call this."""
    return UserEmbedding(config, folder, run_model).answer_requests


class TritonPythonModel:
    """An instance of the model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Map the store. Raises ValueError if it is not of this release."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self._answer_requests = open_model(json.loads(args["model_config"]), folder, _run_model)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; one that cannot be answered gets an error, without effect on the others."""
        # Only the server has this module; `export verify` loads this file without it.
        import triton_python_backend_utils as pb_utils

        arrays = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]

        def respond(request: Any, answer: Arrays | Exception) -> Any:
            if isinstance(answer, Exception):
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(answer)))
            wanted = request.requested_output_names()
            return pb_utils.InferenceResponse([pb_utils.Tensor(n, a) for n, a in answer.items() if n in wanted])

        return list(map(respond, requests, self._answer_requests(arrays)))


def _run_model(model: str, inputs: Arrays, outputs: list[str]) -> Arrays:
    import triton_python_backend_utils as pb_utils

    request = pb_utils.InferenceRequest(
        model_name=model,
        inputs=[pb_utils.Tensor(name, array) for name, array in inputs.items()],
        requested_output_names=outputs,
        preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
    )
    response = request.exec()
    if response.has_error():
        raise RuntimeError(response.error().message())
    # The memory of a response's tensor is freed with it.
    return {tensor.name(): tensor.as_numpy().copy() for tensor in response.output_tensors()}


class UserEmbedding:
    """The offline states of user ids; the encoder computes those of users who are not stored."""

    def __init__(self, config: dict[str, Any], folder: Path, run_model: RunModel) -> None:
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self._store = Store(folder / FILE, parameters)
        self._run_model = run_model
        self._encoder = parameters["encoder"]
        inputs = {each["name"]: each for each in config["input"]}
        self._inputs = {n: each for n, each in inputs.items() if n != USER_ID or f"inside.{USER_ID}" in parameters}
        self._state = [each["name"] for each in config["output"] if each["name"] != SOURCE]
        self._inside = {name: parameters.get(f"inside.{name}", name) for name in (*self._inputs, *self._state)}
        self._longest = int(parameters.get("repeat_length", "0"))
        self._most = int(config["max_batch_size"])

    def answer_requests(self, requests: list[Arrays]) -> list[Arrays | Exception]:
        """Answer requests of any lengths, `{name: [B, ...]}` each; encode all absent users in one batch."""
        rows = [[self._store.find(user) for user in request[USER_ID][:, 0]] for request in requests]
        absent = [np.array([row is None for row in each]) for each in rows]
        asking = [place for place, each in enumerate(absent) if each.any()]
        features = [_rows_of(requests[place], absent[place], self._inputs) for place in asking]
        computed = dict(zip(asking, self._encode_each(features), strict=True))
        whole = [_fill(found, computed.get(place, [])) for place, found in enumerate(rows)]
        longest = max([1, *(len(row.items) for each in whole if not isinstance(each, Exception) for row in each)])
        width = max(longest, min(max(8, 1 << (longest - 1).bit_length()), self._longest))
        return [
            each if isinstance(each, Exception) else self._to_tensors(each, missing, width)
            for each, missing in zip(whole, absent, strict=True)
        ]

    def _encode_each(self, requests: list[Arrays]) -> list[list[Row] | Exception]:
        """Encode the rows of all requests together; if that fails, those of each request alone."""
        if not requests:
            return []
        try:
            rows = iter(self._encode(_stack(requests)))
        except Exception as error:
            if len(requests) > 1:
                return [self._encode_each([each])[0] for each in requests]
            return [RuntimeError(f"a user is not in the store, and {self._encoder} cannot compute it: {error}")]
        return [[next(rows) for _ in range(len(next(iter(each.values()))))] for each in requests]

    def _encode(self, features: Arrays) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(next(iter(features.values()))), self._most):
            part = slice(start, start + self._most)
            inputs = {self._inside[name]: np.ascontiguousarray(values[part]) for name, values in features.items()}
            answer = self._run_model(self._encoder, inputs, [self._inside[name] for name in self._state])
            rows += _rows({name: answer[self._inside[name]] for name in self._state})
        return rows

    def _to_tensors(self, rows: list[Row], absent: np.ndarray[Any, Any], width: int) -> Arrays:
        tensors: Arrays = {EMBEDDING: np.stack([row.embedding for row in rows])}
        if REPEAT_ITEMS in self._state:
            items = np.full((len(rows), width), PADDING_ID, dtype=np.int64)
            logits = np.full((len(rows), width), INVISIBLE, dtype=np.float32)
            for place, row in enumerate(rows):
                items[place, : len(row.items)], logits[place, : len(row.items)] = row.items, row.logits
            tensors |= {REPEAT_ITEMS: items, REPEAT_LOGITS: logits}
        tensors[SOURCE] = np.array([[COMPUTED if missing else STORED] for missing in absent], dtype=np.object_)
        return tensors


class Store:
    """The states of a release's users, sorted by the hash of their ids; states are read only on request.

    Raises ValueError if the digests of the file are not those in `parameters` of config.pbtxt.
    """

    def __init__(self, path: Path, parameters: dict[str, str]) -> None:
        if "store_digest" not in parameters:
            raise ValueError(f"config.pbtxt names no store: {REMEDY}")
        about, arrays = read_store(path)
        for key in ("encoder_digest", "store_digest"):
            if about.get(key) != parameters[key]:
                seen, expected = about.get(key, "")[:12], parameters[key][:12]
                raise ValueError(f"{path.name} has {key} {seen}, this release has {expected}: {REMEDY}")
        self._hash, self._ids, self._id_ends = arrays["hash"], arrays["id"], arrays["id_end"]
        self._embedding, self._repeat_ends = arrays[EMBEDDING], arrays.get("repeat_end")
        self._items, self._logits = (arrays.get(name, np.zeros(0)) for name in (REPEAT_ITEMS, REPEAT_LOGITS))

    def find(self, user: bytes) -> Row | None:
        """Return the state of a user, None if there is none; "" is not a user."""
        wanted = hash_id(user)
        place = int(np.searchsorted(self._hash, wanted))
        # Ids with the same hash are adjacent: only the id itself identifies the owner of the row.
        while user and place < len(self._hash) and self._hash[place] == wanted:
            if self._ids[_slice(self._id_ends, place)].tobytes() == user:
                repeats = slice(0) if self._repeat_ends is None else _slice(self._repeat_ends, place)
                return Row(self._embedding[place], self._items[repeats], self._logits[repeats])
            place += 1
        return None


def hash_id(user: bytes) -> np.uint64:
    """Return the sort keys of the store."""
    return np.uint64(int.from_bytes(hashlib.blake2b(user, digest_size=8).digest(), "little"))


def read_store(path: Path) -> tuple[dict[str, str], Arrays]:
    """Return metadata and memory-mapped arrays of a safetensors file. Raises ValueError if it is malformed."""
    try:
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(start - 8))
        about = header.pop("__metadata__")
        # As a plain array, because every access to a memmap does more work.
        content = np.asarray(np.memmap(path, dtype=np.uint8, mode="r", offset=start))
        arrays = {
            name: content[slice(*each["data_offsets"])].view(_NUMPY_TYPES[each["dtype"]]).reshape(each["shape"])
            for name, each in header.items()
        }
    except FileNotFoundError:
        raise ValueError(f"no {path.name} in {path.parent}: {REMEDY}") from None
    except (OSError, OverflowError, MemoryError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is not a store of user embeddings, or damaged ({error}): {REMEDY}") from None
    return about, arrays


def _slice(ends: np.ndarray[Any, Any], place: int) -> slice:
    return slice(int(ends[place - 1]) if place else 0, int(ends[place]))


def _fill(rows: list[Row | None], computed: list[Row] | Exception) -> list[Row] | Exception:
    """Return the rows, with missing ones taken from `computed` in their order."""
    if isinstance(computed, Exception):
        return computed
    others = iter(computed)
    return [next(others) if row is None else row for row in rows]


def _rows(state: Arrays) -> list[Row]:
    """Return the rows of the encoder's answer, without padding."""
    nothing = np.zeros((len(state[EMBEDDING]), 0), dtype=np.int64)
    items, logits = state.get(REPEAT_ITEMS, nothing), state.get(REPEAT_LOGITS, nothing)
    every = zip(state[EMBEDDING], items, logits, items != PADDING_ID, strict=True)
    return [Row(embedding, own[seen], own_logits[seen]) for embedding, own, own_logits, seen in every]


def _rows_of(request: Arrays, wanted: np.ndarray[Any, Any], inputs: dict[str, dict[str, Any]]) -> Arrays:
    """Return the wanted rows of all inputs, null if the request lacks the input."""
    rows = int(wanted.sum())
    return {name: request[name][wanted] if name in request else _null(each, rows) for name, each in inputs.items()}


def _null(tensor: dict[str, Any], rows: int) -> np.ndarray[Any, Any]:
    """Return the null of a missing input, [rows, ...]; for a sequence one empty string."""
    width = max(1, int(tensor["dims"][0]))
    nulls: dict[str, Any] = {"TYPE_STRING": np.array(b"", dtype=np.object_), "TYPE_INT64": np.iinfo(np.int64).min}
    return np.full((rows, width), nulls.get(tensor["data_type"], np.float32(np.nan if width == 1 else 0.0)))


def _stack(requests: list[Arrays]) -> Arrays:
    """Return the rows of all requests as one batch; sequences are padded right, with 0 or "", to the longest."""
    stacked: Arrays = {}
    for name, first in requests[0].items():
        parts = [request[name] for request in requests]
        padding: Any = b"" if first.dtype == np.object_ else 0
        missing = [max(part.shape[1] for part in parts) - part.shape[1] for part in parts]
        # np.pad would pad with numpy.bytes_, which the server sends as the string "b''".
        pads = [np.full((len(p), m), padding, p.dtype) for p, m in zip(parts, missing, strict=True)]
        stacked[name] = np.concatenate([np.hstack(pair) for pair in zip(parts, pads, strict=True)])
    return stacked
