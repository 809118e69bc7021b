"""An untrained but lively model of the synthetic shop, saved and exported once a run of the suite."""

from functools import cache
from pathlib import Path

from export.families.offline_online.plan import Format
from export.families.offline_online.repository import export_repository
from export.repository.options import Options
from tests.lively import lively_checkpoint
from training.families.offline_online.config import OfflineOnlineConfig

CONFIG = OfflineOnlineConfig(dim=16, hidden=24)


@cache
def checkpoint(data: Path) -> Path:
    return lively_checkpoint(data, CONFIG)


@cache
def repository(data: Path, format: Format) -> Path:
    """A verified repository whose answers hold every item, so that the last slots of most rows are empty."""
    folder = data.parent / f"repository-{format}"
    export_repository(checkpoint(data), data, folder, Options(format=format, max_batch_size=16))
    return folder
