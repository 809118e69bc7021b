"""The special ids, and the learned part of a feature."""

from __future__ import annotations

from pydantic import Field

from preprocessing.features.frozen import Frozen

PADDING_ID, NULL_ID, UNKNOWN_ID, FIRST_KNOWN_ID = 0, 1, 2, 3


class Learned(Frozen):
    """The learned part of a feature: its number of ids (special ids included), and statistics by name."""

    cardinality: int | None = None
    statistics: dict[str, float] = Field(default={})
