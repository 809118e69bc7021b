"""The sizes of an `offline_online` model; it is trained with the settings of every family."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.families.config import Dropout, FamilyConfig, Width


class OfflineOnlineConfig(FamilyConfig):
    """Sizes of an `offline_online` model."""

    family: Literal["offline_online"] = "offline_online"
    dim: Width = Field(
        default=64,
        description="width of the vectors of users and items, a multiple of every encoder's heads; raise it on large "
        "logs, lower it for a smaller and faster model",
    )
    hidden: Width = Field(
        default=128, description="width of the layers that combine features; raise it with many features"
    )
    dropout: Dropout = 0.1
