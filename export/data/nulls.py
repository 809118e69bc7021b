"""What the served graphs do with numbers that are not finite.

NaN in a request is null, and the workflow fills it. What it cannot encode, an infinity or log(1 + x) of x <= -1, would
make every score of its row NaN: the graphs take it for null too. So they do with a vector that holds such a number; its
null is 0. They are the ones to do it, so that the answer does not depend on the path by which the number was encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.data.golden import Arrays, null_row, unknown_row
from export.parity.answers import encode_rows
from export.triton.tensors import ENCODED
from preprocessing.schema import Feature, Numeric, Pretrained

Nulls = Mapping[str, float]
"""Of each feature that is encoded as numbers, by name, what null is encoded as."""


def encoded_nulls(features: tuple[Feature, ...], data: str | Path) -> Nulls:
    """Ask the workflow of `data`."""
    # Categorify fails on a column of nothing but nulls: a row without one goes first.
    encoded = encode_rows(features, data, [unknown_row(features), null_row(features)])
    return {each.name: float(encoded[each.name + ENCODED][1, 0]) for each in features if _is_number(each)}


def fill_tensor(encoded: Tensor, null: float) -> Tensor:
    """[B, width] -> [B, width]: rows that are not finite are null."""
    return torch.where(torch.isfinite(encoded).all(dim=1, keepdim=True), encoded, null)


def fill_arrays(encoded: Arrays, nulls: Nulls) -> Arrays:
    """The same in NumPy, for all tensors of a request."""
    filled = {}
    for name, values in encoded.items():
        null = nulls.get(name.removesuffix(ENCODED))
        finite = True if null is None else np.isfinite(values).all(axis=1, keepdims=True)
        filled[name] = np.where(finite, values, values if null is None else np.float32(null))
    return filled


def _is_number(feature: Feature) -> bool:
    return isinstance(feature, Pretrained) or (isinstance(feature, Numeric) and not feature.buckets)
