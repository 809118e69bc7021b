"""The trained models of a repository."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from export.repository.registry import RegisteredModel
from training.checkpoint import load, load_whole, read_config

Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class Trained:
    """A folder that `training fit` wrote, and its version in the registry, if any; each part is loaded once."""

    folder: Path
    registered: RegisteredModel | None = None
    _loaded: dict[type, nn.Module] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def config(self) -> Any:
        """The model's sizes, see `training.families`."""
        return read_config(self.folder)

    @cached_property
    def whole(self) -> Any:
        """The whole model of any family, in evaluation mode."""
        return load_whole(self.folder)

    def load(self, part: type[Part]) -> Part:
        """Return a part of the model by its class, in evaluation mode."""
        if part not in self._loaded:
            self._loaded[part] = load(self.folder, part)
        loaded: Any = self._loaded[part]
        return loaded  # type: ignore[no-any-return]

    @property
    def shown(self) -> str:
        return f"the model {self.registered.uri if self.registered else f'in {self.folder}'}"


Models = Mapping[str, Trained]
"""By family."""
