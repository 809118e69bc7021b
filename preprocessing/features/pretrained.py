"""The kind `pretrained`: vectors that come with the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt

from preprocessing.features.feature import Edges, FeatureBase
from preprocessing.features.layout import Layout
from preprocessing.features.learned import Learned

if TYPE_CHECKING:
    import pandas as pd


class Pretrained(FeatureBase):
    """A vector that comes with the data and is passed through unchanged; a missing one is all zeros."""

    kind: Literal["pretrained"] = Field(description="the kind of feature")
    dim: PositiveInt = Field(le=16384, description="length of the vector")

    @property
    def request(self) -> Layout:
        return Layout("vector", "float32", (self.dim,))

    @property
    def encoded(self) -> Layout:
        return self.request

    @property
    def edges(self) -> Edges:
        return Edges(null=None, unknown=[0.5] * self.dim, extreme=[20.0] * self.dim)

    @property
    def parameters(self) -> dict[str, str]:
        return {"kind": self.kind}

    def operators(self, _items: pd.Series[str], _folder: Path, /) -> Any:
        from nvtabular import ops

        return [self.name] >> ops.Rename(name=self.name)

    def workflow_values(self, column: pd.Series[Any]) -> Any:
        import numpy as np
        import pandas as pd

        zero = np.zeros(self.dim, dtype=np.float32)
        vectors = [np.asarray(v, dtype=np.float32) if isinstance(v, list | np.ndarray) else zero for v in column]
        return pd.Series(vectors, dtype=object)

    def summary(self, _learned: Learned | None, /) -> str:
        return f"{self.dim} numbers"
