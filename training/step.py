"""A model with its loss, whose shared tensors are stored once in the Trainer's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


class TrainingStep(nn.Module):
    """The step of `model`; the Trainer's safetensors writer refuses tensors with two names, so each keeps its first."""

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
        """Return, for every name of a saved parameter or buffer, the first name of its tensor."""
        first: dict[int, str] = {}
        kept = super().state_dict(keep_vars=True)
        return {name: first.setdefault(id(tensor), name) for name, tensor in kept.items()}
