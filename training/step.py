"""A model with its loss, whose shared tensors the Trainer's checkpoints hold once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


class TrainingStep(nn.Module):
    """Holds `model`; the Trainer's safetensors writer refuses tensors of two names, so each keeps its first alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        first = self._first_names()
        state = super().state_dict(*arguments, **named)
        return {name: value for name, value in state.items() if first.get(name, name) == name}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        first = self._first_names()
        shared = {name: state_dict[kept] for name, kept in first.items() if kept in state_dict}
        return super().load_state_dict({**state_dict, **shared}, strict, assign)

    def _first_names(self) -> dict[str, str]:
        """Of every name of a parameter or buffer that is kept, the name that its tensor has first."""
        first: dict[int, str] = {}
        kept = super().state_dict(keep_vars=True)
        return {name: first.setdefault(id(tensor), name) for name, tensor in kept.items()}
