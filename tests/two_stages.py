"""The lively models of both families as one repository, exported once per run of the suite."""

import json
from pathlib import Path
from typing import Any

import pytest

from export.commands.repository import Request, export_repository
from export.repository.options import RepositoryOptions
from tests import exported, two_tower
from tests.once import made_once
from tests.workflow_calls import Calls

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


def whole(data: Path, format: Any) -> Path:
    """A lean repository whose ranker is given the whole catalogue; `calls.json` next to it: see `Calls`."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            calls = Calls(data, patch)
            # One of the two formats stores embeddings, which adds hops and takes seconds.
            own = {"candidates": 10_000, "stored_embeddings": format == "torchscript"}
            export(data, folder / "repository", own, reference_path=False, exclude_seen=False, format=format)
        (folder / "calls.json").write_text(json.dumps({"loaded": calls.loaded, "golden": calls.golden}))

    return made_once(data.parent / f"whole-{format}", make) / "repository"
