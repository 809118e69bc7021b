"""Which model a family is, and the parts of it that a checkpoint holds; each part loads alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OnlineRanker
from training.families.two_tower.model import ItemTower, TwoTower, UserTower

Model = OfflineOnline | TwoTower


@dataclass(frozen=True)
class ModelFamily:
    """The whole model, and its parts by file name: their classes, and where they stand in the whole."""

    model: Any
    parts: dict[str, tuple[type[nn.Module], str]]

    @property
    def whole(self) -> str:
        """The name of the part that is the whole model."""
        return next(name for name, (_, place) in self.parts.items() if not place)


FAMILIES = {
    "offline_online": ModelFamily(
        OfflineOnline,
        {"whole": (OfflineOnline, ""), "offline": (OfflineEncoder, "offline"), "online": (OnlineRanker, "online")},
    ),
    "two_tower": ModelFamily(
        TwoTower,
        {"two_tower": (TwoTower, ""), "user_tower": (UserTower, "user"), "item_tower": (ItemTower, "item")},
    ),
}
