"""The flags of `offline_online` models."""

from __future__ import annotations

from pydantic import Field

from export.families.options import FamilyOptions, Flags, Need


class OfflineOnlineOptions(FamilyOptions):
    """`stored_embeddings`: on where users have any, unless it is said."""

    stored_embeddings: bool | None = Field(
        default=None,
        description="hold the offline embeddings of all users, for recommend_stored (default on where there are any)",
    )


FLAGS = Flags({"model": Need("offline_online")}, OfflineOnlineOptions)
