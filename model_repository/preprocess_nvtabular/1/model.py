"""The Triton model `preprocess_nvtabular`: the saved workflow of the fit, run over all waiting requests at once.

It turns raw request tensors into `NAME.encoded`. Ids: 0 padding, 1 null, 2 unknown, 3... known.

- string [B, 1]: "" is null. int64 [B, 1]. float32 [B, 1]: NaN is null, filled by the workflow. The workflow's
  result for an infinity is passed on unchanged: later graphs treat it as null.
- sequence [B, L]: "" is padding at any position and is dropped; the newest (last) `max_length` items are kept; the
  result is [B, min(L, max_length)], at least 1 wide, padded right with 0.
- text [B, 1]: lower-cased, split, the first `max_length` words; the result is [B, max_length].
- vector [B, dim]: passed through.

A request that fails gets an error; the other requests of its batch are answered.

A string ends at its first NUL. Bytes that are not UTF-8 become U+FFFD, so that such a string is unknown. The file
is self-contained: the features come from config.pbtxt (`kind.NAME`, `max_length.NAME`, `separator.NAME`), the workflow
from the folder `workflow` next to this file.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ENCODED = ".encoded"

Arrays = dict[str, np.ndarray[Any, Any]]


class Feature(NamedTuple):
    """The description of one input.

    `width`: last dimension of its output, -1 for that of the request. `separator`: between words, "" is white space.
    """

    name: str
    kind: str
    dtype: str
    max_length: int
    width: int
    separator: str = ""


def open_model(config: dict[str, Any], folder: Path, _: Any = None) -> Any:
    """Return the object that answers requests; the server and `export verify` call this."""
    return Preprocessor(read_features(config), folder / "workflow").encode_requests


class TritonPythonModel:
    """An instance of the workflow."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the workflow; NVTabular's import takes some seconds."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        self._encode_requests = open_model(config, folder)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; one that cannot be answered gets an error, without effect on the others."""
        # Only the server has this module; `export verify` loads this file without it.
        import triton_python_backend_utils as pb_utils

        arrays = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
        responses = []
        for request, answer in zip(requests, self._encode_requests(arrays), strict=True):
            if isinstance(answer, Exception):
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError(str(answer))))
                continue
            wanted = request.requested_output_names()
            tensors = [pb_utils.Tensor(name, array) for name, array in answer.items() if name in wanted]
            responses.append(pb_utils.InferenceResponse(tensors))
        return responses


def read_features(config: dict[str, Any]) -> list[Feature]:
    """Read the features from a model config as JSON, in the order of its inputs."""
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    widths = {output["name"]: int(output["dims"][0]) for output in config["output"]}
    return [
        Feature(
            name=each["name"],
            kind=parameters[f"kind.{each['name']}"],
            dtype=each["data_type"],
            max_length=int(parameters.get(f"max_length.{each['name']}", 0)),
            width=widths[each["name"] + ENCODED],
            separator=parameters.get(f"separator.{each['name']}", ""),
        )
        for each in config["input"]
    ]


class Preprocessor:
    """The encoding of request tensors by a saved workflow."""

    def __init__(self, features: list[Feature], workflow: Path) -> None:
        # Merlin imports torch, if installed, to translate dtypes that our workflows do not have: 170 MB and seconds.
        had_torch = "torch" in sys.modules
        if not had_torch:
            sys.modules["torch"] = None  # type: ignore[assignment]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import nvtabular

                self._workflow = nvtabular.Workflow.load(str(workflow))
        finally:
            if not had_torch:
                del sys.modules["torch"]
        self._features = features

    def encode_requests(self, requests: list[Arrays]) -> list[Arrays | Exception]:
        """Encode requests of any lengths, `{name: [B, ...]}` each, in one run of the workflow."""
        columns = [{each.name: _raw_column(each, arrays[each.name]) for each in self._features} for arrays in requests]
        return [
            encoded if isinstance(encoded, Exception) else self._to_tensors(encoded, arrays)
            for arrays, encoded in zip(requests, self._encode_each(columns), strict=True)
        ]

    def _encode_each(self, columns: list[dict[str, list[Any]]]) -> list[dict[str, Any] | Exception]:
        """Run the workflow over the rows of all requests together; if that fails, over each request alone."""
        if not columns:
            return []
        sizes = [len(next(iter(each.values()))) for each in columns]
        together = {each.name: [v for part in columns for v in part[each.name]] for each in self._features}
        try:
            encoded = self._encode(together)
        except Exception as error:
            if len(columns) == 1:
                return [RuntimeError(f"the NVTabular workflow failed ({error}): verify the repository")]
            return [self._encode_each([each])[0] for each in columns]
        ends = np.cumsum(sizes)
        return [
            {name: values[end - size : end] for name, values in encoded.items()}
            for end, size in zip(ends, sizes, strict=True)
        ]

    def _encode(self, columns: dict[str, list[Any]]) -> dict[str, Any]:
        import pandas as pd

        # Categorify fails if a column of the batch is all null: a first row without nulls is added and removed again.
        frame = pd.DataFrame({each.name: [_present(each), *columns[each.name]] for each in self._features})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            encoded = self._workflow.transform(frame)
        return {each.name: encoded[each.name].to_numpy()[1:] for each in self._features}

    def _to_tensors(self, encoded: dict[str, Any], request: Arrays) -> Arrays:
        tensors: Arrays = {}
        for each in self._features:
            values = encoded[each.name]
            tensor: np.ndarray[Any, Any]
            if each.kind in ("sequence", "text"):
                own = max(1, min(request[each.name].shape[1], each.max_length))
                tensor = np.zeros((len(values), own if each.width == -1 else each.width), dtype=np.int64)
                for row, ids in enumerate(values):
                    tensor[row, : len(ids)] = ids
            elif each.kind == "pretrained":
                tensor = np.array(list(values), dtype=np.float32).reshape(-1, each.width)
            else:
                with np.errstate(over="ignore"):
                    tensor = values.astype(np.float32 if each.kind == "numeric" else np.int64)[:, None]
            tensors[each.name + ENCODED] = tensor
        return tensors


def _raw_column(feature: Feature, array: np.ndarray[Any, Any]) -> list[Any]:
    """Return one value per row, in the workflow's form."""
    if feature.kind == "sequence":
        return [[text for item in row if (text := _text(item))][-feature.max_length :] for row in array.tolist()]
    if feature.kind == "text":
        return [_words(_text(value), feature.separator)[: feature.max_length] for value in array[:, 0]]
    if feature.kind == "pretrained":
        return list(array)
    if feature.dtype == "TYPE_STRING":
        return [_text(value) or None for value in array[:, 0]]
    return list(array[:, 0].astype(np.float64 if feature.dtype == "TYPE_FP32" else np.int64))


def _present(feature: Feature) -> Any:
    if feature.kind in ("sequence", "text"):
        return [""]
    if feature.kind == "pretrained":
        return np.zeros(feature.width, dtype=np.float32)
    return {"TYPE_STRING": "", "TYPE_FP32": np.float64(0)}.get(feature.dtype, np.int64(0))


def _text(value: bytes) -> str:
    """Cut a string at its first NUL, as NVIDIA's onnxruntime backend does."""
    return value.partition(b"\0")[0].decode("utf-8", "replace")


def _words(text: str, separator: str) -> list[str]:
    """As `preprocessing.features.Text.words`."""
    parts = text.lower().split(separator or None)
    return [word for part in parts if (word := part.strip())] if separator else parts
