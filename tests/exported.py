"""An untrained but lively model of the synthetic shop, saved and exported once per run of the suite."""

from pathlib import Path

from export.families.offline_online.plan import Format
from export.families.offline_online.repository import export_repository
from export.repository.options import Options
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.config import ModelConfig

CONFIG = ModelConfig(dim=16, hidden=24)


def checkpoint(data: Path) -> Path:
    return lively_checkpoint(data, CONFIG)


def repository(data: Path, format: Format) -> Path:
    """A verified repository whose answers hold every item, so that the last slots of most rows are empty."""

    def make(folder: Path) -> None:
        export_repository(checkpoint(data), data, folder, Options(format=format, max_batch_size=16))

    return made_once(data.parent / f"repository-{format}", make)
