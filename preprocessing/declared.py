"""The schema as declared in TOML, with checks of its features against each other and against the log's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from preprocessing.changes import Changes
from preprocessing.features import Categorical, Feature, Frozen, Sequence, is_column
from preprocessing.log_layout import Log, Split, SplitKind
from preprocessing.schema_errors import SchemaError, first_error
from preprocessing.tensor_names import TENSOR_NAMES

CLOCK_SOURCES = ("hour", "weekday", "days_since_last")
ROW_NAMES = ("user", "session", "time", "week", "split", "first", "target")
ITEM_NAMES = ("item_id", "encoded_id", "purchases", "title")
MOMENT_SOURCES = (*CLOCK_SOURCES, "session_value", "session_size")


class Schema(Frozen):
    """The log, the split and the features of a data set."""

    name: str = Field(
        min_length=1, description="name of the data set; shown in reports, and the default name of experiments"
    )
    description: str = Field(default="", description="one line about the data")
    log: Log = Field(description="the table `[log]`")
    split: Split = Field(default=Split(), description="the table `[split]`")
    features: tuple[Feature, ...] = Field(description="one table `[[features]]` per feature")
    exclude: tuple[str, ...] = Field(default=(), description="names of sequences whose items are never recommended")
    popular_by: tuple[str, ...] = Field(
        default=(),
        description="names of categorical context features, such as a country: next-item models then answer an empty "
        "history with what is popular there",
    )

    added_later: ClassVar[tuple[str, ...]] = ("popular_by",)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [feature.name for feature in self.features]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"duplicate feature name {name!r}: names must be unique, rename one of them")
        if not any(self._is_item_id(feature) for feature in self.features):
            raise ValueError(
                f"no item id feature: add a categorical with side = 'item' for column {self.log.columns.item!r}"
            )
        sequences = {feature.name for feature in self.features if isinstance(feature, Sequence)}
        for name in self.exclude:
            if name not in sequences:
                raise ValueError(
                    f"exclude names {name!r}, which is not a sequence; the sequences are {sorted(sequences)}"
                )
        for feature in self.features:
            self._check(feature)
        if self.item_id.dtype != "string":
            raise ValueError(f"{self.item_id.name}: item ids are strings, drop dtype = 'int'")
        self._check_popular()
        self._check_log()
        if self.split.kind in ("sessions", "random") and self.split.test_share + self.split.validation_share >= 1:
            raise ValueError(
                "split.test_share + split.validation_share leave nothing for training: keep their sum below 1"
            )
        return self

    def _check_popular(self) -> None:
        fit = [f.name for f in self.features if f.side == "context" and isinstance(f, Categorical) and f.has_null]
        for name in self.popular_by:
            if name not in fit:
                raise ValueError(
                    f"popular_by names {name!r}, which is not a categorical of the context with text values; these are "
                    f"{fit}"
                )
            if self.popular_by.count(name) > 1:
                raise ValueError(f"popular_by names {name!r} twice: drop one of them")

    def _check_log(self) -> None:
        log, columns = self.log, self.log.columns
        if log.time_unit == "order" and self.split.kind == "time":
            kinds = ["'leave_one_out' (--split leave_one_out)"] if columns.user else []
            kinds.append("'sessions' (--split sessions)" + " if it orders all sessions" * bool(kinds))
            raise ValueError(f"the log's time is only an order: use split kind {', or '.join(kinds)}")
        if log.time_format and log.time_unit != "timestamp":
            raise ValueError(
                f"log.time_format is for text, time_unit = {log.time_unit!r} for numbers: drop one of them"
            )
        if log.repeats_in_session == "keep" and self.split.targets != "last":
            raise ValueError(
                "log.repeats_in_session = 'keep' needs split.targets = 'last': the rest of a session could have an "
                "item twice"
            )
        if self.split.kind == "given" and not self.split.test_file:
            raise ValueError("split kind 'given' needs the test sessions: name their file in split.test_file")
        if columns.user is None:
            if columns.session is None:
                raise ValueError("log.columns names neither user nor session: name one of them")
            if log.users:
                raise ValueError(
                    "log.users: the log has no user column to join the user table by: drop it, or name log.columns.user"
                )
            if self.split.kind == "leave_one_out":
                words = "'sessions' or 'random'" if log.time_unit == "order" else "'time', 'sessions' or 'random'"
                raise ValueError(
                    f"split kind 'leave_one_out' needs users, and the log has none: use split kind {words}"
                )

    def _check(self, feature: Feature) -> None:
        kept = ITEM_NAMES if feature.side == "item" else ROW_NAMES
        if feature.name in kept and not self._is_item_id(feature):
            raise ValueError(f"feature name {feature.name!r} is reserved: rename it and set its column")
        if feature.name in TENSOR_NAMES and feature.side != "item":
            raise ValueError(
                f"feature name {feature.name!r} is the name of a tensor of the served models: rename the feature and "
                f"set its column (column = {feature.raw_column!r})"
            )
        source = getattr(feature, "source", "")
        if feature.in_session != "constant" and not (feature.side == "context" and is_column(feature)):
            raise ValueError(f"{feature.name}: in_session is only for context columns: drop it")
        if self.log.columns.user is None and source in ("recent", "frequent", "days_since_last"):
            raise ValueError(
                f"{feature.name}: {source} needs a user's earlier sessions, and the log has no user column: "
                "use source = 'session', or name log.columns.user"
            )
        if isinstance(feature, Sequence) and feature.side == "item":
            raise ValueError(f"{feature.name}: a sequence belongs to side 'user' or 'context', not 'item'")
        if source in MOMENT_SOURCES and feature.side != "context":
            raise ValueError(f"{feature.name}: {source} describes the moment of the request: set side = 'context'")
        if source in ("hour", "weekday") and getattr(feature, "dtype", "") != "int":
            raise ValueError(f"{feature.name}: {source} is a number: set dtype = 'int'")
        if self.log.time_unit == "order" and source in CLOCK_SOURCES:
            raise ValueError(
                f"{feature.name}: {source} needs real times, and the log's time is only an order: drop the feature, or "
                "leave out time_unit = 'order' if the times are real"
            )

    def _is_item_id(self, feature: Feature) -> bool:
        named = feature.side == "item" and feature.raw_column == self.log.columns.item
        return named and isinstance(feature, Categorical)

    @property
    def item_id(self) -> Categorical:
        """The categorical whose values are the items of sequences, targets and answers."""
        return next(f for f in self.features if isinstance(f, Categorical) and self._is_item_id(f))

    @property
    def request_features(self) -> tuple[Feature, ...]:
        """The features of a request: all except the item's."""
        return tuple(feature for feature in self.features if feature.side != "item")

    @property
    def item_features(self) -> tuple[Feature, ...]:
        """The features of an item, except its id."""
        return tuple(f for f in self.features if f.side == "item" and not self._is_item_id(f))

    def with_split(self, kind: SplitKind, **options: Any) -> Schema:
        """Return the schema with another split; `options` are other keys of the split, such as `seed`."""
        return self.changed(Changes(split={"kind": kind, **options}))

    def changed(self, changes: Changes) -> Schema:
        """Return the schema with `changes`, checked again."""
        return parse_schema(changes.of(self.model_dump()), self.name)

    def stage(self, stage: Literal["offline", "online"]) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.request_features if feature.stage == stage)


def parse_schema(body: Mapping[str, object], what: str) -> Schema:
    """Validate a schema's plain content; `what` names it in the error."""
    try:
        return Schema.model_validate(body)
    except ValidationError as error:
        raise SchemaError(f"{what}: {first_error(error, body)}") from None
