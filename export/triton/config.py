"""config.pbtxt in both directions: `from_text` reads what `to_text` prints.

It is built as Triton's own protobuf and printed with `text_format`; no string is built by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from export.errors import EXPORT_AGAIN, RepositoryError
from export.triton.tensors import Dtype, Tensor

Backend = Literal["onnxruntime", "pytorch", "python", "ensemble"]
_BACKENDS = get_args(Backend)

TRITON_DTYPES: dict[Dtype, str] = {"string": "TYPE_STRING", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}
_DTYPES: dict[str, Dtype] = {name: dtype for dtype, name in TRITON_DTYPES.items()}


@dataclass(frozen=True)
class Step:
    """A model of an ensemble, with maps from the model's tensor names to the ensemble's."""

    model: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class Warmup:
    """A warmup request of the server before a model is ready: zeros and empty strings of these shapes."""

    name: str
    batch_size: int
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class ModelConfig:
    """The content of a model's config.pbtxt.

    `optional`: names of inputs that a request may leave out; only Python models support this. `ragged`: names of
    inputs whose length may differ between the requests of one dynamic batch. Every model except an ensemble is one
    KIND_AUTO instance that batches dynamically without a delay: requests that arrive while the instance is busy form
    its next batch, and a request that finds it idle does not wait.
    """

    name: str
    backend: Backend
    max_batch_size: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    ragged: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    warmup: tuple[Warmup, ...] = ()
    steps: tuple[Step, ...] = ()


def to_text(config: ModelConfig) -> str:
    """Return a config as the text of config.pbtxt."""
    from google.protobuf import text_format

    return text_format.MessageToString(_message(config))


def from_text(text: str) -> ModelConfig:
    """Read a config.pbtxt that `to_text` printed; it does not contain `longest` of a tensor."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    message = text_format.Parse(text, model_config_pb2.ModelConfig())
    return ModelConfig(
        name=message.name,
        backend="ensemble" if message.platform == "ensemble" else message.backend,
        max_batch_size=message.max_batch_size,
        inputs=tuple(_read_tensor(each) for each in message.input),
        outputs=tuple(_read_tensor(each) for each in message.output),
        parameters={key: message.parameters[key].string_value for key in sorted(message.parameters)},
        ragged=frozenset(each.name for each in message.input if each.allow_ragged_batch),
        optional=frozenset(each.name for each in message.input if each.optional),
        warmup=tuple(
            Warmup(
                each.name, each.batch_size, tuple(_read_tensor(each.inputs[key], key) for key in sorted(each.inputs))
            )
            for each in message.model_warmup
        ),
        steps=tuple(
            Step(each.model_name, dict(sorted(each.input_map.items())), dict(sorted(each.output_map.items())))
            for each in message.ensemble_scheduling.step
        ),
    )


def read_config(repository: str | Path, model: str) -> ModelConfig:
    """Read a model's config.pbtxt. Raises `RepositoryError` if it is missing or malformed."""
    from google.protobuf.text_format import ParseError

    path = Path(repository) / model / "config.pbtxt"
    try:
        config = from_text(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RepositoryError(f"no {model}/config.pbtxt in {repository}: give what `export repository` wrote") from None
    except (ParseError, OSError, UnicodeDecodeError, KeyError) as error:
        raise RepositoryError(f"{path}: not a config.pbtxt of naiad ({error}): {EXPORT_AGAIN}") from None
    tensors = (*config.inputs, *config.outputs)
    for what, is_there in (
        (f"its name is {config.name!r}, expected {model!r}", config.name == model),
        (f"its backend is {config.backend!r}, expected one of {', '.join(_BACKENDS)}", config.backend in _BACKENDS),
        ("it declares no input or no output", bool(config.inputs and config.outputs)),
        ("a tensor of it has no dims", all(tensor.dims for tensor in tensors)),
    ):
        if not is_there:
            raise RepositoryError(f"{path}: {what}: {EXPORT_AGAIN}")
    return config


def _message(config: ModelConfig) -> Any:
    from tritonclient.grpc import model_config_pb2

    message = model_config_pb2.ModelConfig(name=config.name, max_batch_size=config.max_batch_size)
    for tensor in config.inputs:
        message.input.add(
            name=tensor.name,
            data_type=TRITON_DTYPES[tensor.dtype],
            dims=tensor.dims,
            allow_ragged_batch=tensor.name in config.ragged,
            optional=tensor.name in config.optional,
        )
    for tensor in config.outputs:
        message.output.add(name=tensor.name, data_type=TRITON_DTYPES[tensor.dtype], dims=tensor.dims)
    for key, value in config.parameters.items():
        message.parameters[key].string_value = value
    if config.backend == "ensemble":
        message.platform = "ensemble"
        for step in config.steps:
            message.ensemble_scheduling.step.add(
                model_name=step.model, model_version=-1, input_map=step.inputs, output_map=step.outputs
            )
        return message
    message.backend = config.backend
    message.instance_group.add(count=1, kind="KIND_AUTO")
    message.dynamic_batching.SetInParent()
    for warmup in config.warmup:
        added = message.model_warmup.add(name=warmup.name, batch_size=warmup.batch_size)
        for tensor in warmup.inputs:
            added.inputs[tensor.name].data_type = model_config_pb2.DataType.Value(TRITON_DTYPES[tensor.dtype])
            added.inputs[tensor.name].dims.extend(tensor.dims)
            added.inputs[tensor.name].zero_data = True
    return message


def _read_tensor(message: Any, name: str | None = None) -> Tensor:
    from tritonclient.grpc import model_config_pb2

    dtype = _DTYPES[model_config_pb2.DataType.Name(message.data_type)]
    return Tensor(name or message.name, dtype, tuple(message.dims))
