"""The options of tracking a run, checked at once and without an import of MLflow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stage.errors import BadInput


class TrackingError(BadInput):
    """A run cannot be tracked as requested."""


@dataclass(frozen=True)
class TrackingOptions:
    """The store of a run, and the name under which its model is registered.

    `uri`: MLflow's store, None for the default (see `stage.mlflow_store`). `experiment`: None means the schema's name.
    `register`: the registered model to add a version to, None for no version; `aliases` are moved to that version.
    """

    uri: str | None = None
    experiment: str | None = None
    register: str | None = None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.experiment is not None and not self.experiment.strip():
            raise TrackingError("--experiment is empty: give a name, or leave it out to use the schema's name")
        if self.register is not None and (not self.register.strip() or re.search("[/:@]", self.register)):
            raise TrackingError(f"--register {self.register!r}: give a name without '/', ':' and '@'")
        if self.aliases and self.register is None:
            raise TrackingError(f"--alias {self.aliases[0]}: an alias needs a registered model, add --register NAME")
        for alias in self.aliases:
            if not re.fullmatch(r"[\w-]+", alias) or re.fullmatch(r"latest|v\d+", alias, re.IGNORECASE):
                raise TrackingError(
                    f"--alias {alias!r}: give letters, digits, '_' and '-'; 'latest' and 'v1' are MLflow's own"
                )
