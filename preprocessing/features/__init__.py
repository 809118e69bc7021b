"""The kinds of feature of a schema: frozen models, discriminated on `kind`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from preprocessing.features.categorical import Categorical
from preprocessing.features.encoder import Encoder
from preprocessing.features.feature import FeatureBase
from preprocessing.features.frozen import Frozen
from preprocessing.features.numeric import EvenBuckets, Numeric
from preprocessing.features.pretrained import Pretrained
from preprocessing.features.sequence import Sequence
from preprocessing.features.text import Text

__all__ = [
    "Categorical",
    "Encoder",
    "EvenBuckets",
    "Feature",
    "FeatureBase",
    "Frozen",
    "Numeric",
    "Pretrained",
    "Sequence",
    "Text",
    "is_column",
]

Feature = Annotated[Categorical | Numeric | Sequence | Text | Pretrained, Field(discriminator="kind")]


def is_column(feature: Feature) -> bool:
    """Return whether the feature is read from a column rather than derived from the moment."""
    return getattr(feature, "source", "column") == "column"
