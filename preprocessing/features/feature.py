"""The base of all features: common keys, and the interface that every kind of feature implements.

The rest of the project calls this interface and does not check a feature's kind, so a new kind is one new class.
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
    """Raw values at the limits of a request.

    Attributes:
        null: Null, or 0 if the feature has no null.
        unknown: Not null, and not seen by any fit.
        extreme: As large, long or empty as a client may send.

    """

    null: Any
    unknown: Any
    extreme: Any


UNKNOWN_TEXT = "käse 寿司 🧀 \u202enever seen"


class FeatureBase(Frozen):
    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
        description="name of the feature and of its tensor in the request: letters, digits and _; not the name of a "
        "tensor of the served models, such as `score`",
    )
    side: Literal["user", "item", "context"] = Field(
        description="what the feature describes: the user, the item, or the moment of the request"
    )
    stage: Literal["offline", "online"] = Field(
        default="offline",
        description="`offline`: known before the request, read by the user encoder; `online`: known only at the "
        "request, read by the ranker; without effect on side `item`",
    )
    column: str | None = Field(
        default=None, min_length=1, description="column of the feature; by default the column with the feature's name"
    )
    in_session: Literal["constant", "first", "last"] = Field(
        default="constant",
        description="for a context column: `constant` refuses a column that changes inside a session; `first` and "
        "`last` take the first or last value by time (the last may not be known yet when a request is made)",
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
        """The layout of the encoded values. Lists are padded with 0."""

    @property
    @abstractmethod
    def edges(self) -> Edges:
        """The raw values for golden rows."""

    @property
    def ids(self) -> Literal["vocabulary", "buckets", "items"] | None:
        """The meaning of encoded ids: values of the feature's vocabulary, buckets or items; None without ids."""
        return None

    @property
    def embedding(self) -> int | None:
        """The length of an id's embedding; None without ids, or for ids of items, which have a table of their own."""
        return None

    @property
    def width(self) -> int:
        """The length of the vector that a model reads per row; -1 for items, whose table has the model's width."""
        return self.embedding or self.encoded.dims[0]

    @property
    def pooling(self) -> Encoder | None:
        """The encoder that turns the vectors of a list into one; None if the feature is not a list."""
        return None

    @property
    def has_null(self) -> bool:
        """Whether the feature can be null in a request."""
        return self.request.dtype != "int64"

    @property
    def is_split(self) -> bool:
        """Whether a string is split into a list as Python does it, which no ONNX graph can reproduce."""
        return (self.request.form, self.encoded.form) == ("scalar", "list")

    @property
    @abstractmethod
    def parameters(self) -> dict[str, str]:
        """The parameters that `preprocess_nvtabular` reads from its config.pbtxt besides the tensors; `kind` first.

        To that model scalars are numbers if their kind is `numeric`, else ids.
        """

    def arrow(self) -> pa.DataType:
        """Return the type of a Parquet column of raw values."""
        return self.request.arrow()

    @abstractmethod
    def operators(self, items: pd.Series[str], folder: Path, /) -> Any:
        """Return a chain of NVTabular operators for this feature only; see `build_workflow` for the arguments."""

    @abstractmethod
    def workflow_values(self, column: pd.Series[Any]) -> Any:
        """Return raw values [N] in the operators' form: "" is null, padding is dropped, a text is its words."""

    def learned(self, vocabulary: Callable[[str], int], _statistics: Statistics, /) -> Learned | None:
        """Return the learned part of the feature.

        vocabulary: returns the number of values of a feature's vocabulary. statistics: of normalized numbers, by
        the feature's name.
        """
        if self.ids != "vocabulary":
            return None
        return Learned(cardinality=vocabulary(self.name) + FIRST_KNOWN_ID)

    def summary(self, learned: Learned | None, /) -> str:
        """Return the learned part in a few words for the summary; "" if there is none."""
        return f"{learned.cardinality:,} ids" if learned and learned.cardinality else ""
