"""What a schema says of the log itself: its columns, its clock and how it is split."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, SerializerFunctionWrapHandler, model_serializer

from preprocessing.features import Frozen

SplitKind = Literal["time", "leave_one_out", "random"]


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
    `random`: a shuffle by `seed` deals out `test_share` and `validation_share` of the sessions; it sees the future, and
    is here for the protocols of others. Histories then hold what trains, and nothing else.
    """

    kind: SplitKind = "time"
    validation_days: PositiveInt = 28
    test_days: PositiveInt = 28
    validation_share: float = Field(default=0.05, gt=0, lt=1)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: NonNegativeInt = 42
    train_moments_per_user: PositiveInt | None = None

    @model_serializer(mode="wrap")
    def _own_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A split that is not random says nothing of shuffles: the digests of such fits are older than they are."""
        body: dict[str, Any] = dump(self)
        if self.kind != "random":
            for name in ("validation_share", "test_share", "seed"):
                del body[name]
        return body
