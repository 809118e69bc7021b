"""The registration of the family: its name in the tuple, and its folder."""

import sys

import pytest

from tests.popularity_family import FAMILY
from training import families


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do for a test what adding a family to the project takes."""
    monkeypatch.setattr(families, "NAMES", (*families.NAMES, FAMILY.name))
    monkeypatch.setitem(sys.modules, f"training.families.{FAMILY.name}", sys.modules["tests.popularity_family"])
