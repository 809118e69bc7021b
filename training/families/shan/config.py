"""The sizes of a `shan` model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.families.next_item import NextItemConfig
from training.settings import CountOrNone


class ShanConfig(NextItemConfig):
    """Sizes of a `shan` model."""

    family: Literal["shan"] = "shan"
    short: int = Field(
        default=5,
        ge=1,
        le=100,
        description="number of newest items in the short-term set; older items are the long-term set",
    )
    query: Literal["learned", "mean"] = Field(
        default="mean",
        description="vector that takes the place of the user embedding: learned: one for all; mean: the history's mean",
    )
    users: CountOrNone = Field(
        default=0,
        description="users with an embedding of their own, as in the paper: give the number of users of DATA; such a "
        "model is evaluated but not served; 0: users have no embedding, and anyone is served",
    )
