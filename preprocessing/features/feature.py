"""What every feature has, and the questions that every kind of feature answers.

The rest of the project asks the feature and does not look at its kind: a new kind is one class beside the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from preprocessing.features.encoder import Encoder
from preprocessing.features.frozen import Frozen
from preprocessing.features.layout import Layout
from preprocessing.features.learned import FIRST_KNOWN_ID, Learned

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Statistics = Mapping[str, dict[str, float]]


@dataclass(frozen=True)
class Edges:
    """Raw values at the edges of what a request may carry.

    Attributes:
        null: Nothing, or 0 where there is no null.
        unknown: Not null, and seen by no fit.
        extreme: As large, long or empty as a client may send it.

    """

    null: Any
    unknown: Any
    extreme: Any


UNKNOWN_TEXT = "käse 寿司 🧀 \u202enever seen"


class FeatureBase(Frozen):
    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
        description="of the feature and of its tensor in the request: letters, digits and _; not the name of a "
        "tensor of the served models, such as `score`",
    )
    side: Literal["user", "item", "context"] = Field(
        description="what it describes: the user, the item, or the moment of the request"
    )
    stage: Literal["offline", "online"] = Field(
        default="offline",
        description="`offline`: known before the request, read by the user encoder; `online`: known only at the "
        "request, read by the ranker; of no effect on side `item`",
    )
    column: str | None = Field(
        default=None, min_length=1, description="the column it is read from, if not named as the feature"
    )
    in_session: Literal["constant", "first", "last"] = Field(
        default="constant",
        description="of a context column: `constant` refuses one that changes inside a session; `first` and `last` "
        "take that value by time (the last may not be known yet when a request is made)",
    )

    added_later: ClassVar[tuple[str, ...]] = ("in_session",)

    @property
    def raw_column(self) -> str:
        return self.column or self.name

    @property
    @abstractmethod
    def request(self) -> Layout:
        """What a client sends."""

    @property
    @abstractmethod
    def encoded(self) -> Layout:
        """What the workflow makes of it. Lists are padded with 0."""

    @property
    @abstractmethod
    def edges(self) -> Edges:
        """Raw values for golden rows."""

    @property
    def ids(self) -> Literal["vocabulary", "buckets", "items"] | None:
        """What its encoded ids stand for: values of its own vocabulary, buckets or items; None if it has no ids."""
        return None

    @property
    def embedding(self) -> int | None:
        """Length of the embedding of an id; None if it has no ids, or those of items, which have their own table."""
        return None

    @property
    def width(self) -> int:
        """Length of the vector that a model reads for a row; -1 for items, whose table has the model's own width."""
        return self.embedding or self.encoded.dims[0]

    @property
    def pooling(self) -> Encoder | None:
        """How the vectors of an encoded list become one; None if it is no list."""
        return None

    @property
    def has_null(self) -> bool:
        """Whether a request can leave it null."""
        return self.request.dtype != "int64"

    @property
    def is_split(self) -> bool:
        """Whether one string is split into a list, as Python splits it; no ONNX graph gives the same."""
        return (self.request.form, self.encoded.form) == ("scalar", "list")

    @property
    @abstractmethod
    def parameters(self) -> dict[str, str]:
        """What the model `preprocess_nvtabular` reads of its config.pbtxt beyond the tensors, by key; `kind` first.

        It takes scalars of a `kind` that it does not know by their tensors.
        """

    def arrow(self) -> pa.DataType:
        """Return the type of a Parquet column of raw values."""
        return self.request.arrow()

    @abstractmethod
    def operators(self, items: pd.Series[str], folder: Path, /) -> Any:
        """Return a chain of NVTabular operators, used by no other feature; see `build_workflow` for the arguments."""

    @abstractmethod
    def workflow_values(self, column: pd.Series[Any]) -> Any:
        """Return raw values [N] as the operators take them: "" is null, padding is dropped, a text is its words."""

    def learned(self, vocabulary: Callable[[str], int], _statistics: Statistics, /) -> Learned | None:
        """Return what a fit learned of it.

        vocabulary: counts the values of a feature's vocabulary, by its name. statistics: of normalized numbers, by
        the feature's name.
        """
        if self.ids != "vocabulary":
            return None
        return Learned(cardinality=vocabulary(self.name) + FIRST_KNOWN_ID)

    def summary(self, learned: Learned | None, /) -> str:
        """Return in a few words what a fit learned of it, for a person to read; "" for nothing."""
        return f"{learned.cardinality:,} ids" if learned and learned.cardinality else ""
