"""The registration of the family: its name in the two tuples, and its folders."""

import sys
from importlib import import_module

import pytest

from tests.popularity_family import FAMILY
from training import families


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do for a test what adding a family to training takes."""
    monkeypatch.setattr(families, "NAMES", (*families.NAMES, FAMILY.name))
    monkeypatch.setitem(sys.modules, f"training.families.{FAMILY.name}", sys.modules["tests.popularity_family"])


def register_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do for a test what adding it to export takes."""
    from export import families as served

    monkeypatch.setattr(served, "NAMES", (*served.NAMES, FAMILY.name))
    for module in ("options", "family"):
        written = import_module(f"tests.popularity_family.export.{module}")
        monkeypatch.setitem(sys.modules, f"export.families.{FAMILY.name}.{module}", written)
