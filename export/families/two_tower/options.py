"""The flags of `two_tower` models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from export.families.options import FamilyOptions, Flags, Need

Index = Literal["auto", "exact", "hnsw"]


class TwoTowerOptions(FamilyOptions):
    """`index`: `auto` by the size of the catalogue, and measured."""

    index: Index = Field(
        default="auto",
        description="index of the items: exact in a graph, or HNSW by FAISS; auto decides by size and by measuring",
    )


FLAGS = Flags({"model": Need("two_tower")}, TwoTowerOptions)
