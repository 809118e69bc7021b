"""The served `shan` family: `next_item`, `similar_items`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.families.next_item import next_item_family
from export.next_item.plan import NextItemPlan


@dataclass(frozen=True)
class ShanPlan(NextItemPlan):
    """See `export.next_item.plan`."""

    family: ClassVar[str] = "shan"


FAMILY = next_item_family(ShanPlan)
