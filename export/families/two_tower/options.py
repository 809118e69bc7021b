"""The flags of `two_tower` models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from export.families.options import FamilyOptions, Flags, Need

Index = Literal["auto", "exact", "hnsw"]


class TwoTowerOptions(FamilyOptions):
    """`index`: `auto` decides by the size of the catalogue and a measurement."""

    index: Index = Field(
        default="auto",
        description="index of the items: exact in a graph, or HNSW of FAISS; auto decides by size and a measurement",
    )


FLAGS = Flags({"model": Need("two_tower")}, TwoTowerOptions)
