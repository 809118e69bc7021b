"""The contract of a model family: its parts for training, and the methods of its model.

A family is an instance of `Family`. Its functions import torch when they are called, so that a command can parse its
flags and refuse bad input without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from preprocessing.schema import FittedSchema

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn
    from torch.utils.data import Sampler

    Array: TypeAlias = npt.NDArray[np.int64]

LARGEST = 8192
"""The widest layer."""

Width = Annotated[int, Field(ge=1, le=LARGEST)]


class FamilyConfig(BaseModel):
    """The sizes of a model; `dim` is D in every docstring, the width of a model's vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: str
    dim: Width


class Model(Protocol):
    """A module that scores every item of the catalogue; evaluation needs only this."""

    def load_index(self, path: Path) -> None:
        """Fill the model's item features from the fit's `item_index.parquet`."""

    def catalogue(self) -> Tensor:
        """Return the items' part of all scores, such as their vectors [I, D]; computed once."""

    def scores(self, features: Mapping[str, Tensor], catalogue: Tensor) -> Tensor:
        """Return the scores [B, I] of all items; `catalogue` is the result of the method of this name."""

    def parameters(self) -> Iterator[nn.Parameter]: ...
    def get_submodule(self, target: str) -> nn.Module: ...
    def eval(self) -> Any: ...


class Examples(Protocol):
    """Training examples: a dataset, and the function from its items to a batch, the keyword arguments of the step."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Any: ...
    def collate(self, items: Any, /) -> dict[str, Any]: ...
    def batches(self, batch_size: int, seed: int, /) -> Sampler[list[int]] | None:
        """Return a sampler of batches, all numbers once an epoch; None for shuffled batches of equal size."""


class RankedBatch(Protocol):
    """B rows of a split.

    index: [B] int64, row numbers in the split. features: the input of a model, by name. excluded: ids, each [B, L],
    that cannot be answers.
    """

    @property
    def index(self) -> Array: ...
    @property
    def features(self) -> dict[str, Tensor]: ...
    @property
    def excluded(self) -> Sequence[Tensor]: ...


class Rows(Protocol):
    """The rows of a split on which a family is evaluated: row r is the same moment for every family."""

    def __len__(self) -> int: ...
    def batch(self, rows: Array, /) -> RankedBatch: ...
    def target_lists(self, rows: Array, /) -> list[Array]:
        """Return all targets of each row, including unknown ones (id 2)."""


@dataclass(frozen=True)
class Part:
    """A module with a file of its own in a checkpoint: its class, and its path in the model, "" for the whole.

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
    """Everything that training needs from a family.

    Attributes:
        name: The name of its folder, and `family` in model.json.
        help: Its purpose, shown after its name in the help of `--family`.
        ks: The default cut-offs of `training evaluate`.
        config: The type of its sizes: model.json, and flags of `training fit`.
        settings: The type of its training settings: settings.json, and flags of `training fit`.
        examples: Returns its training examples from a data folder. Raises `DataError` if there is nothing to learn.
        rows: Returns the rows of a split of a data folder, by which its model is evaluated.
        build: Returns its model with random weights.
        parts: The parts of a checkpoint by file name; each loads alone, and one is the whole model.
        step: Returns its model with its loss, a `TrainingStep`: a batch of `examples` -> {"loss": scalar}.

    """

    name: str
    help: str
    ks: tuple[int, ...]
    config: type[ConfigT]
    settings: type[SettingsT]
    examples: Callable[[Path, FittedSchema, ConfigT, SettingsT], ExamplesT]
    rows: Callable[[Path, str, FittedSchema, ConfigT], Rows]
    build: Callable[[FittedSchema, ConfigT], ModelT]
    parts: Callable[[], Mapping[str, Part]]
    step: Callable[[ModelT, ExamplesT, FittedSchema, SettingsT], nn.Module]

    @property
    def whole(self) -> str:
        """The name of the part with the whole model."""
        return next(name for name, part in self.parts().items() if not part.place)


AnyFamily: TypeAlias = Family[Any, Any, Any, Any]
