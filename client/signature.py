"""The inputs and outputs of a model, from the server's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from client.errors import ModelMismatch

EXCLUDE, HISTORY = "exclude", "history"
ITEM_ID, SCORE, SOURCE, REASON, KNOWN = "item_id", "score", "source", "reason", "known"
ABOUT_THE_ANSWER = (SOURCE, REASON, KNOWN)
"""Outputs with one value per request, which a model may have."""

OPTIONAL, USER_KEY = "optional", "user_key"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor without its batch dimension: `dims` is (1,) for one scalar per row, (-1,) for a sequence.

    `optional`: a request may leave it out.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False

    @property
    def is_sequence(self) -> bool:
        return self.dims == (-1,)

    @property
    def is_history(self) -> bool:
        """Whether the tensor is a list of strings, oldest first."""
        return self.is_sequence and self.datatype == "BYTES"


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a batching model by name, and the maximal number of rows of a request.

    `optional`: inputs that the model does not read for a stored user. `user_key`: the input
    with the user of a request, if the model has one.
    """

    model: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    max_batch_size: int
    optional: frozenset[str] = frozenset()
    user_key: str = ""

    @property
    def histories(self) -> tuple[str, ...]:
        """The sequences of the user's history; `exclude` is not one of them."""
        return tuple(name for name, spec in self.inputs.items() if spec.is_history and name != EXCLUDE)

    @property
    def reads_whole_history(self) -> bool:
        """Whether the model is a next-item model: `history` is everything that a user took, and needs no feature."""
        return HISTORY in self.histories and KNOWN in self.outputs

    @property
    def recorded(self) -> tuple[str, ...]:
        """The columns that a recorded row must have.

        They are the inputs, except `exclude`; the column `user` provides the user of a request. A next-item model needs
        the history alone; the contexts of its popular lists may be absent.
        """
        if self.reads_whole_history:
            return (HISTORY,)
        columns = tuple(name for name in self.inputs if name not in (EXCLUDE, self.user_key))
        return (*columns, *(["user"] if self.user_key else []))


def read_signature(metadata: Mapping[str, Any], config: Mapping[str, Any]) -> Signature:
    """Return the signature from Triton's model metadata and model config, as JSON of either protocol.

    Raises ModelMismatch if the model takes no batches.
    """
    model = str(metadata["name"])
    max_batch_size = int(config.get("max_batch_size", 0))
    if max_batch_size < 1:
        raise ModelMismatch(f"{model}: takes no batches (max_batch_size 0): export it with at least 1")
    optional = {tensor["name"] for tensor in config.get("input", []) if tensor.get("optional")}
    return Signature(
        model,
        {tensor["name"]: _spec(tensor, optional) for tensor in metadata.get("inputs", [])},
        {tensor["name"]: _spec(tensor, set()) for tensor in metadata.get("outputs", [])},
        max_batch_size,
        frozenset(_parameter(config, OPTIONAL).split(",")) - {""},
        _parameter(config, USER_KEY),
    )


def newest_kept(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int]:
    """Return how many items the model keeps of its sequences, by the names that `names` maps its inputs to.

    A python model has the parameter `max_length.NAME`. A graph that Naiad exported has a warmup request
    with sequences of full length.
    """
    stated = {name: _parameter(config, f"max_length.{name}") for name in names}
    lengths = {names[name]: int(text) for name, text in stated.items() if text.isdecimal()}
    if not _parameter(config, "naiad_version"):
        return lengths
    free = {tensor["name"] for tensor in config.get("input", []) if [int(dim) for dim in tensor["dims"]] == [-1]}
    for warmup in config.get("model_warmup", []):
        for name, tensor in warmup["inputs"].items():
            length = int(tensor["dims"][0])
            if name in free and name in names and length > 1:
                lengths.setdefault(names[name], length)
    return lengths


def _parameter(config: Mapping[str, Any], name: str) -> str:
    return str(config.get("parameters", {}).get(name, {}).get("string_value", ""))


def _spec(tensor: Mapping[str, Any], optional: set[str]) -> TensorSpec:
    # gRPC's JSON carries int64 as strings; the first dimension is the batch.
    dims = tuple(int(dim) for dim in tensor["shape"][1:])
    return TensorSpec(tensor["name"], tensor["datatype"], dims, tensor["name"] in optional)
