"""What a family says of its vectors: which exported encoder makes them, and of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocessing.schema import Feature, FittedSchema


@dataclass(frozen=True)
class ItemVectors:
    """`encoder`: the model that made them. `read`: those of every id that a repository serves, [I, D]."""

    encoder: str
    read: Callable[[Path, FittedSchema], NDArray[np.float32]]


@dataclass(frozen=True)
class Vectors:
    """Users' vectors are `tensor` [B, D] of the model `encoder` as a step of `chain`, which reads `features`.

    `nothing`: why users have none, else "". `items`: None where items have no vectors of their own.
    """

    encoder: str
    chain: str
    tensor: str
    features: tuple[Feature, ...]
    nothing: str = ""
    items: ItemVectors | None = None
