"""How a list of vectors becomes one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from preprocessing.features.frozen import Frozen


class Encoder(Frozen):
    """How the vectors of a sequence or of a text's tokens become one vector; sizes of a small Hugging Face config."""

    type: Literal["mean", "t5", "distilbert", "bert"] = Field(
        default="mean",
        description="the mean of the vectors, or a transformer of that kind with random first weights",
    )
    layers: PositiveInt = Field(default=1, le=64, description="layers of the transformer; `mean` has none")
    heads: PositiveInt = Field(default=2, le=256, description="attention heads of the transformer; `mean` has none")
