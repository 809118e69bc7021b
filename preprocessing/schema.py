"""The feature schema: one TOML file says what the columns are, and everything downstream follows it.

`load_schema` reads the TOML a person writes; `preprocessing fit` adds what was learned (`FittedSchema`) and writes
`schema.json`, which every later stage reads with `read_fitted`. Adding a feature is adding a `[[features]]` table.

Ids follow NVTabular 23.08's Categorify: 0 padding, 1 null, 2 out of vocabulary, 3... known values by falling frequency.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, PositiveInt, ValidationError, model_validator

from preprocessing.features import (
    Categorical,
    Encoder,
    Feature,
    Frozen,
    Numeric,
    Pretrained,
    Sequence,
    Text,
    is_column,
)
from stage.errors import BadInput

__all__ = [
    "FIRST_KNOWN_ID",
    "NULL_ID",
    "PADDING_ID",
    "UNKNOWN_ID",
    "Categorical",
    "Encoder",
    "Feature",
    "FittedSchema",
    "Learned",
    "Numeric",
    "Pretrained",
    "Schema",
    "SchemaError",
    "Sequence",
    "Text",
    "is_column",
    "load_schema",
    "read_fitted",
    "require_same_digest",
]

PADDING_ID, NULL_ID, UNKNOWN_ID, FIRST_KNOWN_ID = 0, 1, 2, 3

CLOCK_SOURCES = ("hour", "weekday", "days_since_last")
SCHEMA_FOLDER = Path(__file__).parent / "schemas"


class SchemaError(BadInput):
    """The schema, or data held against it, is not as declared; the message names the thing and the remedy."""


class Columns(Frozen):
    """What the log's columns mean. Without `session`, every interaction is a session of its own."""

    user: str
    item: str
    time: str
    session: str | None = None
    value: str | None = None
    title: str | None = None


class Log(Frozen):
    reader: Literal["table", "complete_journey"] = "table"
    columns: Columns
    time_unit: Literal["timestamp", "s", "ms", "order"] = "timestamp"
    timezone: tuple[str, str] | None = Field(default=None, description="zones (of the log, of the shop)")
    order_in_session: Literal["file", "shuffled"] = "file"
    users: str | None = Field(default=None, description="file of the user table, beside the log")
    items: str | None = Field(default=None, description="file of the item table, beside the log")


class Split(Frozen):
    """`time`: the last `test_days` are the test, the `validation_days` before them the validation.

    `leave_one_out`: each user's last interaction is the test, the one before it the validation.
    """

    kind: Literal["time", "leave_one_out"] = "time"
    validation_days: PositiveInt = 28
    test_days: PositiveInt = 28
    train_moments_per_user: PositiveInt | None = None


class Schema(Frozen):
    """What a data set's features are; see the module's docstring."""

    name: str
    description: str = ""
    log: Log
    split: Split = Split()
    features: tuple[Feature, ...]
    exclude: tuple[str, ...] = Field(default=(), description="sequences whose items are never recommended")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        names = [feature.name for feature in self.features]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"duplicate feature name {name!r}: names must be unique, rename one of them")
            if name in ("target", "user", "time", "week"):
                raise ValueError(
                    f"feature name {name!r} is kept for the row itself: rename the feature, keep its column"
                )
        if not any(self._is_item_id(feature) for feature in self.features):
            raise ValueError(
                f"no item id feature: add a categorical with side = 'item' for column {self.log.columns.item!r}"
            )
        sequences = {feature.name for feature in self.features if isinstance(feature, Sequence)}
        for name in self.exclude:
            if name not in sequences:
                raise ValueError(f"exclude names {name!r}, which is no sequence; the sequences are {sorted(sequences)}")
        for feature in self.features:
            if isinstance(feature, Sequence) and feature.side == "item":
                raise ValueError(f"{feature.name}: a sequence belongs to side 'user' or 'context', not 'item'")
            if self.log.time_unit == "order" and getattr(feature, "source", "") in (
                "hour",
                "weekday",
                "days_since_last",
            ):
                raise ValueError(f"{feature.name}: the log's time is only an order; {feature.source} needs real times")  # type: ignore[union-attr]
        if self.log.time_unit == "order" and self.split.kind == "time":
            raise ValueError("the log's time is only an order: use split kind 'leave_one_out'")
        return self

    def _is_item_id(self, feature: Feature) -> bool:
        named = feature.side == "item" and feature.raw_column == self.log.columns.item
        return named and isinstance(feature, Categorical)

    @property
    def item_id(self) -> Categorical:
        """The categorical that the sequences, the targets and the answers are made of."""
        return next(f for f in self.features if isinstance(f, Categorical) and self._is_item_id(f))

    @property
    def request_features(self) -> tuple[Feature, ...]:
        """What a request carries: all features that are not the item's."""
        return tuple(feature for feature in self.features if feature.side != "item")

    @property
    def item_features(self) -> tuple[Feature, ...]:
        """What describes an item, its id apart."""
        return tuple(f for f in self.features if f.side == "item" and not self._is_item_id(f))

    def with_split(self, kind: Literal["time", "leave_one_out"]) -> Schema:
        """The same schema under another split."""
        return parse_schema({**self.model_dump(), "split": {**self.split.model_dump(), "kind": kind}}, self.name)

    def with_columns(self, mapping: str) -> Schema:
        """Rename the log's columns by "user=NAME,item=NAME,…"; the features of the old names follow."""
        pairs = dict(part.split("=", 1) for part in mapping.split(",") if "=" in part)
        if wrong := set(pairs) - set(Columns.model_fields):
            raise SchemaError(f"columns: no role {sorted(wrong)[0]!r}, the roles are {', '.join(Columns.model_fields)}")
        body = self.model_dump()
        columns = body["log"]["columns"]
        renamed = {columns[role]: name for role, name in pairs.items() if columns[role]}
        body["log"]["columns"] = columns | pairs
        for feature in body["features"]:
            raw = feature["column"] or feature["name"]
            feature["column"] = renamed.get(raw, raw)
        return parse_schema(body, self.name)

    def stage(self, stage: Literal["offline", "online"]) -> tuple[Feature, ...]:
        return tuple(feature for feature in self.request_features if feature.stage == stage)


class Learned(Frozen):
    """What the fit learned of a feature: the number of ids (special ids included), and statistics by name."""

    cardinality: int | None = None
    statistics: dict[str, float] = Field(default={})


class FittedSchema(Frozen):
    """A schema with what was learned from the train period; `digest` names this very fit."""

    schema_: Schema = Field(alias="schema")
    learned: dict[str, Learned]
    items: PositiveInt = Field(description="number of item ids, special ids included")
    boundaries: dict[str, str] = Field(default={}, description="first local time of validation and test")
    vocabularies: dict[str, str] = Field(default={}, description="SHA-256 of each vocabulary, in the order of its ids")
    digest: str = ""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    def sealed(self) -> FittedSchema:
        return self.model_copy(update={"digest": self._digest()})

    def _digest(self) -> str:
        body = self.model_dump(mode="json", by_alias=True, exclude={"digest"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]

    def cardinality(self, feature: str) -> int:
        value = self.learned[feature].cardinality
        if value is None:
            raise SchemaError(f"{feature}: has no ids, it is not categorical")
        return value


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"


def schema_path(name_or_path: str | Path) -> Path:
    """The TOML file of a shipped schema's name, or the path itself."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    shipped = SCHEMA_FOLDER / f"{name_or_path}.toml"
    if not shipped.is_file():
        names = sorted(file.stem for file in SCHEMA_FOLDER.glob("*.toml"))
        raise SchemaError(f"no schema {str(name_or_path)!r}: give a .toml file or one of {', '.join(names)}")
    return shipped


def load_schema(name_or_path: str | Path) -> Schema:
    """Read a schema by its shipped name or the path of its TOML file."""
    path = schema_path(name_or_path)
    try:
        return parse_schema(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except FileNotFoundError:
        raise SchemaError(f"no schema file {path}: give the path of a .toml file") from None
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(f"{path.name}: not TOML: {error}") from None


def parse_schema(body: Mapping[str, object], what: str) -> Schema:
    """Validate a schema's plain content; `what` names it in the error."""
    try:
        return Schema.model_validate(body)
    except ValidationError as error:
        raise SchemaError(f"{what}: {_one_line(error)}") from None


def read_fitted(folder: str | Path) -> FittedSchema:
    """Read `schema.json` of a stage's output folder and check its digest."""
    path = Path(folder) / "schema.json"
    try:
        fitted = FittedSchema.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SchemaError(f"no schema.json in {folder}: give the output folder of an earlier stage") from None
    except ValidationError as error:
        raise SchemaError(f"{path}: {_one_line(error)}") from None
    if fitted.digest != fitted._digest():
        raise SchemaError(f"{path}: digest {fitted.digest} is not its content's: it was edited, run the fit again")
    return fitted


def require_same_digest(expected: FittedSchema, seen: FittedSchema, what: str) -> None:
    """Refuse to join two stages' outputs that come from different fits."""
    if expected.digest != seen.digest:
        raise SchemaError(
            f"{what} was made with schema digest {seen.digest}, the data has {expected.digest}: "
            "use the folders of one fit, or run the later stage again"
        )
