"""The kinds of feature of a schema: frozen models, discriminated on `kind`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

LONGEST = 4096
"""Upper bound of every length: a larger one is a typing error, and its tensors would not fit in memory."""


class Frozen(BaseModel):
    """A frozen part of the schema; keys in `added_later` are written only if they differ from their default.

    A schema that does not use such a key therefore keeps the digest that it had before the key was added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    added_later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_unused(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = dump(self)
        fields = type(self).model_fields
        unused = [name for name in self.added_later if getattr(self, name) == fields[name].default]
        return {name: value for name, value in body.items() if name not in unused}


class Encoder(Frozen):
    """Pooling of the vectors of a sequence or of a text's words; the sizes are those of a small Hugging Face config."""

    type: Literal["mean", "t5", "distilbert", "bert"] = Field(
        default="mean",
        description="the mean of the vectors, or a transformer of this architecture, trained from random weights",
    )
    layers: PositiveInt = Field(
        default=1, le=64, description="number of layers of the transformer; without effect on `mean`"
    )
    heads: PositiveInt = Field(
        default=2, le=256, description="number of attention heads of the transformer; without effect on `mean`"
    )


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

    kind: Literal["sequence"] = Field(description="the kind of feature")
    source: Literal["recent", "session", "frequent"] = Field(
        default="recent",
        description="`recent`: the last items of earlier sessions; `session`: items of this session so far; "
        "`frequent`: items that the user had in most earlier sessions",
    )
    max_length: PositiveInt = Field(default=50, le=LONGEST, description="number of items kept, the last ones")
    half_life_days: float | None = Field(
        default=None,
        gt=0,
        description="for `frequent`: days after which a session counts half; without it all sessions count the same",
    )
    encoder: Encoder = Field(default=Encoder(), description="how the items become one vector")
    repeat: bool = Field(
        default=False,
        description="add a score for taking one of these items again; it pays if users take the same items repeatedly",
    )


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


class Pretrained(FeatureBase):
    """A vector that comes with the data and is passed through unchanged; a missing one is all zeros."""

    kind: Literal["pretrained"] = Field(description="the kind of feature")
    dim: PositiveInt = Field(le=16384, description="length of the vector")


Feature = Annotated[Categorical | Numeric | Sequence | Text | Pretrained, Field(discriminator="kind")]


def is_column(feature: Feature) -> bool:
    """Return whether the feature is read from a column rather than derived from the moment."""
    return isinstance(feature, Text | Pretrained) or getattr(feature, "source", "") == "column"
