"""The contract of a model family: what a family gives to training, and what its model can do.

A family is one instance of `Family`. Its functions import torch when they are called, so that a command can parse its
flags and refuse bad input without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from preprocessing.schema import FittedSchema

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST = 8192
"""The widest layer."""

Width = Annotated[int, Field(ge=1, le=LARGEST)]


class FamilyConfig(BaseModel):
    """What a model is built from, besides the schema; `dim` is D in every docstring, the width of a model's vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: str
    dim: Width


class Model(Protocol):
    """A module that scores every item of the catalogue; evaluation asks no more of it."""

    def load_index(self, path: Path) -> None:
        """Fill what the model holds of the items from the fit's `item_index.parquet`."""

    def catalogue(self) -> Tensor:
        """Return what the scores of all batches need of the items, such as their vectors [I, D]; computed once."""

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        """Return the scores [B, I] of all items; `catalogue` is what the method of this name returned."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def get_submodule(self, target: str) -> nn.Module: ...
    def eval(self) -> Any: ...


class Examples(Protocol):
    """Examples to train on: a dataset, and what makes a batch of its items the keyword arguments of the step."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Any: ...
    def collate(self, items: Any, /) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Part:
    """A module that a checkpoint holds in a file of its own: its class, and its place in the model, "" of the whole.

    The class is called with the fitted schema and the config.
    """

    kind: type[nn.Module]
    place: str


ConfigT = TypeVar("ConfigT", bound=FamilyConfig)
SettingsT = TypeVar("SettingsT", bound=BaseModel)
ModelT = TypeVar("ModelT", bound=Model)
ExamplesT = TypeVar("ExamplesT", bound=Examples)


@dataclass(frozen=True)
class Family(Generic[ConfigT, SettingsT, ModelT, ExamplesT]):
    """All that training knows of a family.

    Attributes:
        name: Its folder, and `family` in model.json.
        help: What it is for, behind its name in the help of `--family`.
        ks: The cut-offs of `training evaluate`.
        config: What its model is built from: model.json, and flags of `training fit`.
        settings: How it is trained, a `TrainingSettings`: settings.json, and flags of `training fit`.
        examples: What it trains on, read from a data folder. Raises `DataError` where there is nothing to learn.
        build: Its model, with random weights.
        parts: The files of a checkpoint, by name; each loads alone, and one is the whole model.
        step: Its model with its loss, a `TrainingStep`: a batch of `examples` -> {"loss": scalar}.

    """

    name: str
    help: str
    ks: tuple[int, ...]
    config: type[ConfigT]
    settings: type[SettingsT]
    examples: Callable[[Path, FittedSchema, SettingsT], ExamplesT]
    build: Callable[[FittedSchema, ConfigT], ModelT]
    parts: Callable[[], Mapping[str, Part]]
    step: Callable[[ModelT, ExamplesT, FittedSchema, SettingsT], nn.Module]

    @property
    def whole(self) -> str:
        """The name of the part that is the whole model."""
        return next(name for name, part in self.parts().items() if not part.place)


AnyFamily: TypeAlias = Family[Any, Any, Any, Any]
