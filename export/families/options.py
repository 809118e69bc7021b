"""The description of a family for the command line, before any of its models is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from pydantic import BaseModel, ConfigDict

from export import families


class FamilyOptions(BaseModel):
    """A family's own flags of `export repository`; a field's description is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Need:
    """A trained model that a family needs: the `family` in its model.json, and the help of its flag."""

    family: str
    help: str = ""


@dataclass(frozen=True)
class Flags:
    """`needs`: the models by flag, `model` or another, in the order of writing."""

    needs: Mapping[str, Need]
    options: type[FamilyOptions] = FamilyOptions


def flags(family: str) -> Flags:
    """Return the flags of a family."""
    found: Flags = import_module(f"export.families.{family}.options").FLAGS
    return found


def all_flags() -> dict[str, Flags]:
    """Return the flags of all families, by name."""
    return {name: flags(name) for name in families.NAMES}
