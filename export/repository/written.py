"""What a family has written, and torch's answers to the golden rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from export.data.golden import Arrays

AnyPlan = TypeVar("AnyPlan")
About = dict[str, Any]
"""The content about a family in verify.json besides its plan."""


@dataclass(frozen=True)
class Written(Generic[AnyPlan]):
    """The plan as it was carried out, and the other content for verify.json."""

    plan: AnyPlan
    about: About = field(default_factory=dict)


@dataclass(frozen=True)
class TorchAnswers:
    """The trained model's answers to the golden rows in torch, by name, [N, ...].

    `torch_parts`: the difference between the parts, each loaded alone, and the whole model; 0, or `ParityError`.
    """

    answers: Arrays
    torch_parts: float = 0.0
