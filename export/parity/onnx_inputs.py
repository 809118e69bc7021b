"""Request tensors as ONNX Runtime's Python takes them."""

from __future__ import annotations

import numpy as np

from export.data.golden import Arrays


def onnx_inputs(arrays: Arrays) -> Arrays:
    """Strings as str (ONNX Runtime would take bytes for their repr); what is not UTF-8 becomes U+FFFD, as in
    `preprocess_nvtabular`."""
    return {name: _decoded(array) if array.dtype.kind == "O" else array for name, array in arrays.items()}


def _decoded(array: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    strings = [value.decode("utf-8", "replace") for value in array.ravel().tolist()]
    return np.array(strings, dtype=object).reshape(array.shape)
