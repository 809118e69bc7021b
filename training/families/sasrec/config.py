"""The sizes and the training settings of a `sasrec` model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.families.next_item import NextItemConfig

Few = Annotated[int, Field(ge=1, le=64)]


class SasrecConfig(NextItemConfig):
    """Sizes of a `sasrec` model."""

    family: Literal["sasrec"] = "sasrec"
    blocks: Few = Field(default=2, description="number of transformer blocks")
    heads: Few = Field(default=1, description="attention heads of a block; must divide --dim")
    expansion: Few = Field(default=1, description="width of a block's feed-forward layer, in multiples of --dim")
    block: Literal["sasrec", "pre_norm", "ligr"] = Field(
        default="pre_norm",
        description="sasrec: as published in 2018; pre_norm: norm before each layer; ligr: pre_norm with gates",
    )
