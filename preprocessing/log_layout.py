"""What a schema says of the log itself: its columns, its clock and how it is split."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from preprocessing.features import Frozen

SplitKind = Literal["time", "leave_one_out", "random"]
TimeUnit = Literal["timestamp", "s", "ms", "us", "ns", "order"]


class Columns(Frozen):
    """What the log's columns mean.

    Without `session`, every interaction is a session of its own. Without `user`, every session is a user of its own:
    the log of orders or visits whose users are not known.
    """

    user: str | None = Field(default=None, description="who; without it every session is a user of its own")
    item: str = Field(description="what was taken")
    time: str = Field(description="when: orders the log, and splits it")
    session: str | None = Field(
        default=None, description="order, basket or visit; without it every interaction is a session of its own"
    )
    value: str | None = Field(default=None, description="a number of the interaction, such as its price")
    title: str | None = Field(default=None, description="name of an item to show; of the item table where there is one")


class Log(Frozen):
    """How the log's files or tables are written, and what its times mean."""

    reader: Literal["table", "complete_journey"] = Field(
        default="table", description="`table`: what --source names; `complete_journey`: the package of that name"
    )
    columns: Columns
    time_unit: TimeUnit = Field(
        default="timestamp",
        description="`timestamp`: dates and times, ISO 8601 where they are text; `s`, `ms`, `us`, `ns`: whole numbers "
        "since 1970 (UTC); `order`: whole numbers that only order the log",
    )
    time_format: str | None = Field(
        default=None, description='of times that are text and not ISO 8601, as of strptime: "%d/%m/%Y %H:%M"'
    )
    timezone: tuple[str, str] | None = Field(
        default=None,
        description="zones of the log's times where they name none, and of the shop, whose local time `hour`, "
        "`weekday` and the split follow",
    )
    order_in_session: Literal["file", "shuffled"] = Field(
        default="file",
        description="of interactions of one session and instant: the file's, or `shuffled` by a hash where the file's "
        "order is not the order of picking",
    )
    null_values: tuple[str, ...] = Field(default=(), description="texts that mean no value, besides the empty cell")
    separator: str | None = Field(
        default=None,
        description="of a CSV file's fields; a comma, in .tsv a tab, if absent",
        min_length=1,
        max_length=1,
    )
    encoding: str = Field(default="utf-8", description="of CSV files, such as latin-1, cp1252 or utf-16")
    decimal: Literal[".", ","] = Field(default=".", description="the decimal point of numbers that are text")
    users: str | None = Field(default=None, description="file of the user table, beside the log")
    items: str | None = Field(default=None, description="file of the item table, beside the log")
    users_key: str | None = Field(
        default=None, description="the user table's id column; the log's name of it if absent"
    )
    items_key: str | None = Field(
        default=None, description="the item table's id column; the log's name of it if absent"
    )

    added_later: ClassVar[tuple[str, ...]] = (
        "time_format",
        "null_values",
        "separator",
        "encoding",
        "decimal",
        "users_key",
        "items_key",
    )

    @field_validator("separator", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"tab": "\t", "\\t": "\t"}.get(value, value) if isinstance(value, str) else value

    @property
    def user_table_key(self) -> str | None:
        return self.users_key or self.columns.user

    @property
    def item_table_key(self) -> str:
        return self.items_key or self.columns.item


class Split(Frozen):
    """`time`: the last `test_days` are the test, the `validation_days` before them the validation.

    `leave_one_out`: each user's last interaction is the test, the one before it the validation.
    `random`: a shuffle by `seed` deals out `test_share` and `validation_share` of the sessions; it sees the future, and
    is here for the protocols of others. Histories then hold what trains, and nothing else.
    """

    kind: SplitKind = Field(default="time", description="how sessions are dealt out to train, validation and test")
    validation_days: PositiveInt = Field(default=28, description="of `time`: local days before the test's")
    test_days: PositiveInt = Field(default=28, description="of `time`: the last local days of the log")
    validation_share: float = Field(default=0.05, gt=0, lt=1, description="of `random`: share of the sessions")
    test_share: float = Field(default=0.2, gt=0, lt=1, description="of `random`: share of the sessions")
    seed: NonNegativeInt = Field(default=42, description="of `random`: seed of the shuffle")
    train_moments_per_user: PositiveInt | None = Field(
        default=None, description="only each user's latest sessions train, so many; earlier ones are history"
    )

    @model_serializer(mode="wrap")
    def _own_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what only a random split has: the digests of other fits are older than these keys."""
        body: dict[str, Any] = dump(self)
        if self.kind != "random":
            for name in ("validation_share", "test_share", "seed"):
                del body[name]
        return body
