"""Numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, PositiveInt, field_validator, model_validator

from preprocessing.features.feature import Edges, FeatureBase, Statistics
from preprocessing.features.frozen import LONGEST, Frozen
from preprocessing.features.layout import Layout
from preprocessing.features.learned import Learned

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class EvenBuckets(Frozen):
    model_config = ConfigDict(allow_inf_nan=False)

    first: float = Field(description="lowest boundary")
    last: float = Field(description="highest boundary")
    count: int = Field(ge=2, le=LONGEST, description="number of boundaries")


class Numeric(FeatureBase):
    """One number per row: filled, clipped, log(1 + x), normalised, in this order; or cut into buckets and embedded.

    `session_value` and `session_size` describe the session so far; `days_since_last` counts days since the last one.
    """

    kind: Literal["numeric"] = Field(description="the kind of feature")
    source: Literal["column", "session_value", "session_size", "days_since_last"] = Field(
        default="column",
        description="a column; or, at the moment of the request, the sum of `log.columns.value` in the session so far, "
        "the number of items in it, or the days since the user's last session",
    )
    fill: float = Field(default=0.0, description="number that replaces null")
    clip: tuple[float, float] | None = Field(
        default=None, description="`[low, high]`: smaller numbers become low, larger numbers become high"
    )
    log: bool = Field(default=False, description="take log(1 + x), for numbers that span orders of magnitude")
    normalize: bool = Field(default=False, description="scale to mean 0 and standard deviation 1 in the train period")
    buckets: tuple[float, ...] = Field(
        default=(),
        description="ascending boundaries, or `{ first = …, last = …, count = … }` for evenly spaced ones: the number "
        "is embedded by its bucket, without `log` and `normalize`",
    )
    embedding_dim: PositiveInt = Field(default=16, le=LONGEST, description="length of a bucket's embedding")

    @field_validator("buckets", mode="before")
    @classmethod
    def _evenly(cls, value: object) -> object:
        """Replace `{ first = 0.0, last = 10.0, count = 11 }` with that many evenly spaced boundaries."""
        if not isinstance(value, dict):
            return value
        spaced = EvenBuckets.model_validate(value)
        step = (spaced.last - spaced.first) / (spaced.count - 1)
        return tuple(spaced.first + step * number for number in range(spaced.count))

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.buckets and (self.log or self.normalize):
            raise ValueError(f"{self.name}: buckets apply to the raw number: drop log and normalize, or the buckets")
        if list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"{self.name}: buckets must rise strictly, seen {list(self.buckets)}")
        if self.clip and self.clip[0] >= self.clip[1]:
            raise ValueError(f"{self.name}: clip must be [low, high], seen {list(self.clip)}")
        return self

    @property
    def request(self) -> Layout:
        return Layout("scalar", "float32")

    @property
    def encoded(self) -> Layout:
        return Layout("scalar", "int64" if self.buckets else "float32")

    @property
    def edges(self) -> Edges:
        bounded = self.log or self.clip or self.buckets
        return Edges(null=None, unknown=0.5, extreme=1e9 if bounded else 50.0)

    @property
    def ids(self) -> Literal["buckets"] | None:
        return "buckets" if self.buckets else None

    @property
    def embedding(self) -> int | None:
        return self.embedding_dim if self.buckets else None

    @property
    def parameters(self) -> dict[str, str]:
        return {"kind": "bucketed" if self.buckets else self.kind}

    def arrow(self) -> pa.DataType:
        """Return float64, because a log keeps its numbers, while a request carries float32."""
        import pyarrow as pa

        return pa.float64()

    def operators(self, _items: pd.Series[str], _folder: Path, /) -> Any:
        from nvtabular import ops

        node = [self.name] >> ops.FillMissing(self.fill)
        if self.clip:
            node = node >> ops.Clip(min_value=self.clip[0], max_value=self.clip[1])
        if self.buckets:
            return node >> ops.Bucketize(list(self.buckets))
        if self.log:
            node = node >> ops.LogOp()
        if self.normalize:
            node = node >> ops.Normalize()
        return node

    def workflow_values(self, column: pd.Series[Any]) -> Any:
        import numpy as np

        # A request carries float32, so fitted and recorded numbers are rounded the same way.
        with np.errstate(over="ignore"):
            return column.to_numpy(dtype=np.float64).astype(np.float32).astype(np.float64)

    def learned(self, _vocabulary: Callable[[str], int], statistics: Statistics, /) -> Learned | None:
        if self.buckets:
            return Learned(cardinality=len(self.buckets) + 1)
        return Learned(statistics=statistics[self.name]) if self.normalize else None

    def summary(self, learned: Learned | None, /) -> str:
        if self.buckets:
            return f"{len(self.buckets) + 1} buckets"
        if learned and learned.statistics:
            return f"mean {learned.statistics['mean']:.3g}, std {learned.statistics['std']:.3g}"
        return ""
