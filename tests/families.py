"""How the tests train and export each family; a family that is added adds its line to both."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from export.families.options import flags
from export.repository.models import Models, Trained
from export.triton.plan import Format
from tests import exported, next_item, two_stages, two_tower
from training.families.next_item import NextItemConfig
from training.families.sasrec.config import SasrecConfig
from training.families.shan.config import ShanConfig
from training.families.sine.config import SineConfig

FORMATS: tuple[Format, ...] = ("onnx", "torchscript")
INDEX = dict(two_tower.EXPORTS)
SASREC = SasrecConfig(dim=16, max_length=6, heads=2)
NEXT_ITEM: tuple[NextItemConfig, ...] = (
    SASREC,
    ShanConfig(dim=16, max_length=6),
    SineConfig(dim=16, max_length=6, prototypes=9, interests=2),
)

CHECKPOINTS: dict[str, Callable[[Path], Path]] = {
    "offline_online": exported.checkpoint,
    "two_tower": two_tower.checkpoint,
    **{config.family: partial(next_item.checkpoint, config=config) for config in NEXT_ITEM},
}
"""The trained model of a family, of data that were fitted."""


def _two_stages(data: Path, format: Format) -> Path:
    return two_stages.repository(data, format, INDEX[format])


REPOSITORIES: dict[str, Callable[[Path, Format], Path]] = {
    "offline_online": _two_stages,
    "two_tower": _two_stages,
    "retrieve_and_rank": _two_stages,
    **{config.family: partial(next_item.repository, config=config) for config in NEXT_ITEM},
}
"""A verified repository that serves a family; one may serve several."""


def source(family: str, data: Path) -> Path | None:
    """Return what `--data` of an export or a verification is: nothing for a family that needs no data."""
    return data if flags(family).data else None


def trained_models(family: str, data: Path) -> Models:
    """Return the trained models that a family is made of."""
    return {need.family: Trained(CHECKPOINTS[need.family](data)) for need in flags(family).needs.values()}
