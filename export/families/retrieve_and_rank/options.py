"""The flags of `retrieve_and_rank`."""

from __future__ import annotations

from pydantic import Field

from export.families.options import FamilyOptions, Flags, Need


class RetrieveAndRankOptions(FamilyOptions):
    """`candidates`: the user's own items and the nearest of the index, together."""

    candidates: int = Field(
        default=500, ge=1, le=1_000_000, description="number of candidates to rank with --retriever"
    )


FLAGS = Flags(
    {
        "retriever": Need(
            "two_tower", "a two_tower model of the same data, whose items --model, an offline_online model, ranks"
        ),
        "model": Need("offline_online"),
    },
    RetrieveAndRankOptions,
)
