"""The families that the project can serve: a folder per family, and its name here.

`export.families.family` describes the content of a folder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.families.family import Family

NAMES = ("offline_online", "two_tower", "retrieve_and_rank", "sasrec", "shan", "sine")


def find(name: str) -> Family[Any, Any, Any]:
    """Import and return a family."""
    family: Family[Any, Any, Any] = import_module(f"{__name__}.{name}.family").FAMILY
    return family
