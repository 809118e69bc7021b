"""Texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from preprocessing.features.encoder import Encoder
from preprocessing.features.feature import UNKNOWN_TEXT, Edges, FeatureBase
from preprocessing.features.frozen import LONGEST
from preprocessing.features.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


class Text(FeatureBase):
    """Words of a text: lower-cased, split, encoded as ids, the first `max_length` kept."""

    kind: Literal["text"] = Field(description="the kind of feature")
    max_length: PositiveInt = Field(default=16, le=LONGEST, description="number of words kept, the first ones")
    min_frequency: NonNegativeInt = Field(
        default=2, le=1_000_000_000, description="words that are rarer than this in training are unknown"
    )
    embedding_dim: PositiveInt = Field(default=16, le=LONGEST, description="length of a word's embedding")
    encoder: Encoder = Field(default=Encoder(), description="how the words become one vector")
    separator: str | None = Field(
        default=None,
        min_length=1,
        description="text between words, such as `|` in `Action|Comedy`; by default white space",
    )

    added_later: ClassVar[tuple[str, ...]] = ("in_session", "separator")

    def words(self, text: str) -> list[str]:
        """Return the words of `text`, lower-cased, in their order."""
        parts = text.lower().split(self.separator)
        return parts if self.separator is None else [word for part in parts if (word := part.strip())]

    ids: ClassVar[Literal["vocabulary"]] = "vocabulary"

    @property
    def request(self) -> Layout:
        return Layout("scalar", "string")

    @property
    def encoded(self) -> Layout:
        return Layout("list", "int64", (self.max_length,))

    @property
    def edges(self) -> Edges:
        return Edges(null=None, unknown=UNKNOWN_TEXT, extreme="x " * 2000)

    @property
    def embedding(self) -> int:
        return self.embedding_dim

    @property
    def pooling(self) -> Encoder:
        return self.encoder

    @property
    def parameters(self) -> dict[str, str]:
        own = {"separator": self.separator} if self.separator else {}
        return {"kind": self.kind, "max_length": str(self.max_length), **own}

    def operators(self, _items: pd.Series[str], folder: Path, /) -> Any:
        from nvtabular import ops

        first = [self.name] >> ops.ListSlice(0, self.max_length)
        return first >> ops.Categorify(freq_threshold=self.min_frequency, out_path=str(folder))

    def workflow_values(self, column: pd.Series[Any]) -> Any:
        import pandas as pd

        words = [self.words(text) if isinstance(text, str) else [] for text in column]
        return pd.Series(words, dtype=object)
