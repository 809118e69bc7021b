"""The served `sasrec` family: `next_item`, `similar_items`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from export.families.next_item import next_item_family
from export.next_item.plan import NextItemPlan


@dataclass(frozen=True)
class SasrecPlan(NextItemPlan):
    """See `export.next_item.plan`."""

    family: ClassVar[str] = "sasrec"


FAMILY = next_item_family(SasrecPlan)
