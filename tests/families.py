"""How the tests train and export each family; a family that is added adds its line to both."""

from collections.abc import Callable
from pathlib import Path

from export.families.options import flags
from export.repository.models import Models, Trained
from export.triton.plan import Format
from tests import exported, next_item, two_stages, two_tower
from training.families.sasrec.config import SasrecConfig

FORMATS: tuple[Format, ...] = ("onnx", "torchscript")
INDEX = dict(two_tower.EXPORTS)
SASREC = SasrecConfig(dim=16, max_length=6, heads=2)

CHECKPOINTS: dict[str, Callable[[Path], Path]] = {
    "offline_online": exported.checkpoint,
    "two_tower": two_tower.checkpoint,
    "sasrec": lambda data: next_item.checkpoint(data, SASREC),
}
"""The trained model of a family, of data that were fitted."""


def _two_stages(data: Path, format: Format) -> Path:
    return two_stages.repository(data, format, INDEX[format])


REPOSITORIES: dict[str, Callable[[Path, Format], Path]] = {
    "offline_online": _two_stages,
    "two_tower": _two_stages,
    "retrieve_and_rank": _two_stages,
    "sasrec": lambda data, format: next_item.repository(data, SASREC, format),
}
"""A verified repository that serves a family; one may serve several."""


def source(family: str, data: Path) -> Path | None:
    """Return what `--data` of an export or a verification is: nothing for a family that needs no data."""
    return data if flags(family).data else None


def trained_models(family: str, data: Path) -> Models:
    """Return the trained models that a family is made of."""
    return {need.family: Trained(CHECKPOINTS[need.family](data)) for need in flags(family).needs.values()}
