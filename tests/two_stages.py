"""The lively models of both families as one repository, exported once a run of the suite."""

from functools import cache
from pathlib import Path
from typing import Any

from export.families.retrieve_and_rank.repository import Source, TwoStageOptions, export_two_stages
from tests import exported, two_tower

TOP_K, RETRIEVED = 5, 9
OWN = 14
"""What the synthetic schema's sequences with `repeat` hold together."""


def export(data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"top_k": TOP_K, "max_batch_size": 16, "candidates": OWN + RETRIEVED, **options}
    sources = (Source(family.checkpoint(data)) for family in (exported, two_tower))
    return export_two_stages(*sources, data, folder, TwoStageOptions(**wanted))


@cache
def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose ranker has to do with less than half of the catalogue."""
    folder = data.parent / f"two-stages-{format}-{index}"
    export(data, folder, format=format, index=index)
    return folder
