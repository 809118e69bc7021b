"""The model families, one folder per family.

To add a family, write its folder (config.py, model.py, step.py and `FAMILY` in `__init__.py`) and add its name to
`NAMES`; nothing else names a family. Nothing here imports torch, which takes seconds.
"""

from __future__ import annotations

from importlib import import_module

from training.families.family import AnyFamily

NAMES = ("offline_online", "two_tower", "sasrec", "shan", "sine")
DEFAULT = NAMES[0]
"""The default family of commands, and the family of checkpoints that were written before there were families."""


def find(name: str) -> AnyFamily:
    """Return the family `name`, one of `NAMES`."""
    family: AnyFamily = import_module(f"{__name__}.{name}").FAMILY
    return family
