"""The kinds of feature that a schema may hold, each a frozen model discriminated on `kind`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator, model_validator


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Encoder(Frozen):
    """How the vectors of a sequence or of a text's tokens become one vector; sizes of a small Hugging Face config."""

    type: Literal["mean", "t5", "distilbert", "bert"] = "mean"
    layers: PositiveInt = 1
    heads: PositiveInt = 2


class FeatureBase(Frozen):
    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    side: Literal["user", "item", "context"]
    stage: Literal["offline", "online"] = "offline"
    column: str | None = Field(default=None, description="column of the log or of the side's table; the name if absent")

    @property
    def raw_column(self) -> str:
        return self.column or self.name


class Categorical(FeatureBase):
    """One id per row. `hour` and `weekday` are derived from the local time of the moment."""

    kind: Literal["categorical"]
    dtype: Literal["string", "int"] = "string"
    source: Literal["column", "hour", "weekday"] = "column"
    min_frequency: NonNegativeInt = 0
    embedding_dim: PositiveInt = 16


class EvenBuckets(Frozen):
    first: float
    last: float
    count: int = Field(ge=2)


class Numeric(FeatureBase):
    """One number per row: filled, clipped, log(1 + x), normalised, in this order; or cut into buckets and embedded.

    `session_value` and `session_size` tell what the session holds so far, `days_since_last` the days since the last.
    """

    kind: Literal["numeric"]
    source: Literal["column", "session_value", "session_size", "days_since_last"] = "column"
    fill: float = 0.0
    clip: tuple[float, float] | None = None
    log: bool = False
    normalize: bool = False
    buckets: tuple[float, ...] = ()
    embedding_dim: PositiveInt = 16

    @field_validator("buckets", mode="before")
    @classmethod
    def _evenly(cls, value: object) -> object:
        """`{ first = 0.0, last = 10.0, count = 11 }` stands for that many evenly spaced boundaries."""
        if not isinstance(value, dict):
            return value
        spaced = EvenBuckets.model_validate(value)
        step = (spaced.last - spaced.first) / (spaced.count - 1)
        return tuple(spaced.first + step * number for number in range(spaced.count))

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.buckets and (self.log or self.normalize):
            raise ValueError(f"{self.name}: buckets are cut on the raw scale; drop log and normalize, or the buckets")
        if list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"{self.name}: buckets must rise strictly, seen {list(self.buckets)}")
        if self.clip and self.clip[0] >= self.clip[1]:
            raise ValueError(f"{self.name}: clip must be [low, high], seen {list(self.clip)}")
        return self


class Sequence(FeatureBase):
    """Item ids of the user as of the moment: oldest (or rarest) first, so the newest (or most frequent) are last.

    `recent`: the last items of earlier sessions. `session`: items of this session so far. `frequent`: the items that
    the user had in most earlier sessions, each session's weight halved every `half_life_days` where that is given
    (time-decayed frequency: TIFU-kNN, Hu et al. 2020, section 4.1).
    """

    kind: Literal["sequence"]
    source: Literal["recent", "session", "frequent"] = "recent"
    max_length: PositiveInt = 50
    half_life_days: float | None = Field(default=None, gt=0)
    encoder: Encoder = Encoder()
    repeat: bool = Field(default=False, description="give the model a learned copy term over these items")


class Text(FeatureBase):
    """Words of a text: lower-cased, split at white space, encoded as ids, the first `max_length` kept."""

    kind: Literal["text"]
    max_length: PositiveInt = 16
    min_frequency: NonNegativeInt = 2
    embedding_dim: PositiveInt = 16
    encoder: Encoder = Encoder()


class Pretrained(FeatureBase):
    """A vector that comes with the data, passed through as it is; a missing one is all zeros."""

    kind: Literal["pretrained"]
    dim: PositiveInt


Feature = Annotated[Categorical | Numeric | Sequence | Text | Pretrained, Field(discriminator="kind")]


def is_column(feature: Feature) -> bool:
    """Whether the feature is read from a column, and not derived from the moment."""
    return isinstance(feature, Text | Pretrained) or getattr(feature, "source", "") == "column"
