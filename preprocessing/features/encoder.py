"""The encoder that turns a list of vectors into one vector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from preprocessing.features.frozen import Frozen


class Encoder(Frozen):
    """Pooling of the vectors of a sequence or of a text's words; the sizes are those of a small Hugging Face config."""

    type: Literal["mean", "t5", "distilbert", "bert"] = Field(
        default="mean",
        description="the mean of the vectors, or a transformer of this architecture, trained from random weights",
    )
    layers: PositiveInt = Field(
        default=1, le=64, description="number of layers of the transformer; without effect on `mean`"
    )
    heads: PositiveInt = Field(
        default=2, le=256, description="number of attention heads of the transformer; without effect on `mean`"
    )
