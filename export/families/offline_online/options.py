"""The flags of `offline_online` models."""

from __future__ import annotations

from pydantic import Field

from export.families.options import FamilyOptions, Flags, Need


class OfflineOnlineOptions(FamilyOptions):
    """`stored_embeddings`: None means on if users have embeddings."""

    stored_embeddings: bool | None = Field(
        default=None,
        description="store the offline embeddings of all users, for recommend_stored (default on if there are any)",
    )


FLAGS = Flags({"model": Need("offline_online")}, OfflineOnlineOptions)
