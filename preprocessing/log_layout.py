"""What a schema says of the log itself: its columns, its clock and how it is split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from preprocessing.features import Frozen


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
