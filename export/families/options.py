"""The description of a family for the command line, before any of its models is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from export import families
from export.errors import GraphError


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
    """`needs`: the models by flag, `model` or another, in the order of writing. `data`: an export needs DATA too."""

    needs: Mapping[str, Need]
    options: type[FamilyOptions] = FamilyOptions
    data: bool = True


def flags(family: str) -> Flags:
    """Return the flags of a family."""
    found: Flags = import_module(f"export.families.{family}.options").FLAGS
    return found


def source_of(family: str, data: str | Path | None, alone: str | Path) -> Path:
    """Return DATA, or the folder `alone` for a family that needs no data.

    Raises `GraphError` if DATA is missing, or given to a family that does not read it.
    """
    needs_data = flags(family).data
    if data is None and needs_data:
        raise GraphError(f"--data: is missing, {family} repositories need the output folder of `preprocessing fit`")
    if data is not None and not needs_data:
        raise GraphError(f"--data {data}: {family} repositories are made from the model alone: leave it out")
    return Path(alone if data is None else data)


def all_flags() -> dict[str, Flags]:
    """Return the flags of all families, by name."""
    return {name: flags(name) for name in families.NAMES}
