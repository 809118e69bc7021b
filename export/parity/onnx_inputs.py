"""Request tensors in the form of ONNX Runtime's Python API."""

from __future__ import annotations

import numpy as np

from export.data.golden import Arrays


def onnx_inputs(arrays: Arrays) -> Arrays:
    """Return strings as str (ONNX Runtime would use the repr of bytes); invalid UTF-8 becomes U+FFFD, as in
    `preprocess_nvtabular`."""
    return {name: _decoded(array) if array.dtype.kind == "O" else array for name, array in arrays.items()}


def _decoded(array: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    strings = [value.decode("utf-8", "replace") for value in array.ravel().tolist()]
    return np.array(strings, dtype=object).reshape(array.shape)
