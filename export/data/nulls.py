"""What the served graphs do with numbers that are not finite.

NaN in a request is null, and the workflow fills it. What it cannot encode, an infinity or log(1 + x) of x <= -1, would
make every score of its row NaN: the graphs take it for null too. So they do with a vector that holds such a number; its
null is 0. They are the ones to do it, so that the answer does not depend on the path by which the number was encoded.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from export.data.golden import Arrays, null_row, unknown_row
from export.data.saved_workflow import SavedWorkflow
from export.triton.tensors import ENCODED
from preprocessing.schema import Feature

Nulls = Mapping[str, float]
"""Of each feature that is encoded as numbers, by name, what null is encoded as."""


def encoded_nulls(features: tuple[Feature, ...], workflow: SavedWorkflow) -> Nulls:
    """Ask the workflow what it makes of nulls."""
    # Categorify fails on a column of nothing but nulls: a row without one goes first.
    encoded = workflow.encode(features, [unknown_row(features), null_row(features)])
    numbers = [feature.name for feature in features if feature.encoded.dtype == "float32"]
    return {name: float(encoded[name + ENCODED][1, 0]) for name in numbers}


def fill_arrays(encoded: Arrays, nulls: Nulls) -> Arrays:
    """Replace rows of numbers that are not finite by null, in all tensors of a request, as the graphs do."""
    filled = {}
    for name, values in encoded.items():
        null = nulls.get(name.removesuffix(ENCODED))
        finite = True if null is None else np.isfinite(values).all(axis=1, keepdims=True)
        filled[name] = np.where(finite, values, values if null is None else np.float32(null))
    return filled
