"""The lively models of both families as one repository, exported once per run of the suite."""

from pathlib import Path
from typing import Any

from export.families.retrieve_and_rank.repository import Source, TwoStageOptions, export_two_stages
from tests import exported, two_tower
from tests.once import made_once

TOP_K, RETRIEVED = 5, 9
OWN = 14
"""What the synthetic schema's sequences with `repeat` hold together."""


def export(data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"top_k": TOP_K, "max_batch_size": 16, "candidates": OWN + RETRIEVED, **options}
    sources = (Source(family.checkpoint(data)) for family in (exported, two_tower))
    return export_two_stages(*sources, data, folder, TwoStageOptions(**wanted))


def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose ranker has to do with less than half of the catalogue."""

    def make(folder: Path) -> None:
        export(data, folder, format=format, index=index)

    return made_once(data.parent / f"two-stages-{format}-{index}", make)
