"""The lively models of both families as one repository, exported once per run of the suite."""

from pathlib import Path
from typing import Any

from export.commands.repository import Request, export_repository
from export.repository.options import RepositoryOptions
from tests import exported, two_tower
from tests.once import made_once

TOP_K, RETRIEVED = 5, 9
OWN = 14
"""What the synthetic schema's sequences with `repeat` hold together."""


def export(data: Path, folder: Path, own: dict[str, Any] | None = None, **shared: Any) -> dict[str, Any]:
    models = {"model": str(exported.checkpoint(data)), "retriever": str(two_tower.checkpoint(data))}
    options = RepositoryOptions(**{"top_k": TOP_K, "max_batch_size": 16, **shared})
    return export_repository(Request(models, options, {"candidates": OWN + RETRIEVED, **(own or {})}), data, folder)


def repository(data: Path, format: Any, index: Any) -> Path:
    """A verified repository whose ranker has to do with less than half of the catalogue."""

    def make(folder: Path) -> None:
        export(data, folder, {"index": index}, format=format)

    return made_once(data.parent / f"two-stages-{format}-{index}", make)
