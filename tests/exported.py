"""An untrained but lively model of the synthetic shop, saved and exported once per run of the suite."""

from pathlib import Path
from typing import Any

from export.commands.repository import Request, export_repository
from export.repository.options import RepositoryOptions
from export.triton.plan import Format
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.offline_online.config import OfflineOnlineConfig

CONFIG = OfflineOnlineConfig(dim=16, hidden=24)


def checkpoint(data: Path) -> Path:
    return lively_checkpoint(data, CONFIG)


def export(model: Path, data: Path, folder: Path, own: dict[str, Any] | None = None, **shared: Any) -> dict[str, Any]:
    """Export one model; `own`: flags of its family, `shared`: of all. Return the content of verify.json."""
    request = Request({"model": str(model)}, RepositoryOptions(max_batch_size=16, **shared), own or {})
    return export_repository(request, data, folder)


def repository(data: Path, format: Format) -> Path:
    """A verified repository whose answers hold every item, so that the last slots of most rows are empty."""
    return made_once(
        data.parent / f"repository-{format}", lambda folder: export(checkpoint(data), data, folder, format=format)
    )
