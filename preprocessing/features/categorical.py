"""Ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from preprocessing.features.feature import UNKNOWN_TEXT, Edges, FeatureBase
from preprocessing.features.frozen import LONGEST
from preprocessing.features.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


class Categorical(FeatureBase):
    """One id per row. `hour` and `weekday` are derived from the local time of the moment."""

    kind: Literal["categorical"] = Field(description="the kind of feature")
    dtype: Literal["string", "int"] = Field(
        default="string", description="type of the tensor in the request; an `int` has no null and cannot be left out"
    )
    source: Literal["column", "hour", "weekday"] = Field(
        default="column", description="a column, or the local hour (0-23) or weekday (Monday is 0) of the moment"
    )
    min_frequency: NonNegativeInt = Field(
        default=0, le=1_000_000_000, description="values that are rarer than this in training are unknown"
    )
    embedding_dim: PositiveInt = Field(default=16, le=LONGEST, description="length of a value's embedding")

    ids: ClassVar[Literal["vocabulary"]] = "vocabulary"

    @property
    def request(self) -> Layout:
        return Layout("scalar", "string" if self.dtype == "string" else "int64")

    @property
    def encoded(self) -> Layout:
        return Layout("scalar", "int64")

    @property
    def edges(self) -> Edges:
        if self.dtype == "int":
            return Edges(null=0, unknown=10**9 + 7, extreme=-(2**63))
        return Edges(null=None, unknown=UNKNOWN_TEXT, extreme="x " * 2000)

    @property
    def embedding(self) -> int:
        return self.embedding_dim

    @property
    def parameters(self) -> dict[str, str]:
        return {"kind": self.kind}

    def operators(self, _items: pd.Series[str], folder: Path, /) -> Any:
        from nvtabular import ops

        return [self.name] >> ops.Categorify(freq_threshold=self.min_frequency, out_path=str(folder))

    def workflow_values(self, column: pd.Series[Any]) -> Any:
        import numpy as np
        import pandas as pd

        if self.dtype == "int":
            return column.to_numpy(dtype=np.int64)
        values = column.to_numpy(dtype=object)
        return pd.Series(values, dtype=object).where(pd.notna(values) & (values != ""), None)
