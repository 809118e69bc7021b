"""The treatment of non-finite numbers in served graphs.

NaN in a request is null, and the workflow fills it. A number that it cannot encode, an infinity or log(1 + x) of
x <= -1, would make every score of its row NaN; the graphs treat it as null too. The same holds for a vector with such a
number; its null is 0. The graphs do this, so that the answer does not depend on the path that encoded the number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from export.data.golden import Arrays, null_row, unknown_row
from export.data.saved_workflow import SavedWorkflow
from export.triton.tensors import ENCODED
from preprocessing.schema import Feature

Nulls = Mapping[str, float]
"""The encoded null of each feature that is encoded as numbers, by name."""


def encoded_nulls(features: tuple[Feature, ...], workflow: SavedWorkflow) -> Nulls:
    """Return the nulls as the workflow encodes them."""
    # Categorify fails on a column that is all null, so a row without nulls comes first.
    encoded = workflow.encode(features, [unknown_row(features), null_row(features)])
    numbers = [feature.name for feature in features if feature.encoded.dtype == "float32"]
    return {name: float(encoded[name + ENCODED][1, 0]) for name in numbers}


def fill_arrays(encoded: Arrays, nulls: Nulls) -> Arrays:
    """Replace rows of non-finite numbers with null, in all tensors of a request, as the graphs do."""
    filled = {}
    for name, values in encoded.items():
        null = nulls.get(name.removesuffix(ENCODED))
        finite = True if null is None else np.isfinite(values).all(axis=1, keepdims=True)
        filled[name] = np.where(finite, values, values if null is None else np.float32(null))
    return filled
