"""A family's description of its vectors: the exported encoder and its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocessing.schema import Feature, FittedSchema


@dataclass(frozen=True)
class ItemVectors:
    """`encoder`: the model that made the vectors. `read`: return the served vectors of every id, [I, D]."""

    encoder: str
    read: Callable[[Path, FittedSchema], NDArray[np.float32]]


@dataclass(frozen=True)
class Vectors:
    """Users' vectors are the output `tensor` [B, D] of the model `encoder`, a step of `chain` that reads `features`.

    `nothing`: the reason if users have no vectors, else "". `items`: None if items have no vectors of their own.
    """

    encoder: str
    chain: str
    tensor: str
    features: tuple[Feature, ...]
    nothing: str = ""
    items: ItemVectors | None = None
