"""The served `sine` family: `next_item`, `similar_items`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.families.next_item import next_item_family
from export.next_item.plan import NextItemPlan


@dataclass(frozen=True)
class SinePlan(NextItemPlan):
    """See `export.next_item.plan`."""

    family: ClassVar[str] = "sine"


FAMILY = next_item_family(SinePlan)
