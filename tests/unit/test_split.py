"""Splits: by date on local days, or each user's last sessions left out."""

from typing import Any

import pandas as pd
import pytest

from preprocessing.declared import parse_schema
from preprocessing.log.errors import LogError
from preprocessing.schema import Schema, SchemaError
from preprocessing.split import split_of_sessions


def schema_of(users: bool = True, time_unit: str = "timestamp", **split: Any) -> Schema:
    columns = {"item": "item", "time": "time", **({"user": "user"} if users else {"session": "session"})}
    features = [
        {"name": "item", "kind": "categorical", "side": "item"},
        {"name": "before", "kind": "sequence", "side": "context", "source": "recent" if users else "session"},
    ]
    log = {"columns": columns, "time_unit": time_unit}
    return parse_schema({"name": "unit", "log": log, "split": split, "features": features}, "unit")


def sessions_at(*days: tuple[str, float]) -> pd.DataFrame:
    """Sessions of (user, day), the day a fraction of days after 2024-01-01."""
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta([day for _, day in days], "D")
    return pd.DataFrame({"user": [user for user, _ in days], "time": time, "first": time.to_numpy().astype("int64")})


def test_the_last_local_days_are_the_test_and_those_before_the_validation() -> None:
    days = [0.0, 6.9, 7.0, 9.99, 10.0, 11.5]
    split, boundaries = split_of_sessions(
        schema_of(validation_days=3, test_days=2), sessions_at(*(("u", day) for day in days))
    )
    assert split.tolist() == ["train", "train", "validation", "validation", "test", "test"]
    assert boundaries == {"validation": "2024-01-08T00:00:00", "test": "2024-01-11T00:00:00"}


def test_the_last_session_of_a_user_is_the_test_and_the_one_before_it_the_validation() -> None:
    days = [("a", 5.0), ("a", 1.0), ("a", 3.0), ("a", 2.0), ("b", 1.0), ("b", 2.0), ("c", 1.0), ("c", 1.0), ("c", 1.0)]
    split, boundaries = split_of_sessions(schema_of(kind="leave_one_out"), sessions_at(*days))
    assert split[:4].tolist() == ["test", "train", "validation", "train"]
    assert split[4:6].tolist() == ["train", "train"]
    assert split[6:].tolist() == ["train", "validation", "test"]
    assert boundaries == {}


def test_a_random_split_deals_out_its_shares_by_the_seed() -> None:
    sessions = sessions_at(*((f"user {number % 7}", float(number)) for number in range(200)))
    split, boundaries = split_of_sessions(schema_of(kind="random", test_share=0.2, validation_share=0.05), sessions)
    assert {name: (split == name).sum() for name in ("train", "validation", "test")} == {
        "train": 150,
        "validation": 10,
        "test": 40,
    }
    assert boundaries == {}
    again, _ = split_of_sessions(schema_of(kind="random"), sessions)
    other, _ = split_of_sessions(schema_of(kind="random", seed=43), sessions)
    assert again.tolist() == split.tolist()
    assert other.tolist() != split.tolist()


def sessions_in_order(*places: int) -> pd.DataFrame:
    """Sessions of nobody known that begin at these places of the log's order."""
    names = [f"visit {number}" for number in range(len(places))]
    return pd.DataFrame({"user": names, "session": names, "first": places, "time": pd.Timestamp(0)})


def test_the_last_sessions_in_order_are_the_test_and_those_before_them_the_validation() -> None:
    schema = schema_of(users=False, time_unit="order", kind="sessions", validation_share=0.25, test_share=0.375)
    split, boundaries = split_of_sessions(schema, sessions_in_order(7, 2, 0, 3, 5, 1, 9, 8))
    assert split.tolist() == ["test", "train", "train", "validation", "validation", "train", "test", "test"]
    assert boundaries == {"validation": "3", "test": "7"}
    again, _ = split_of_sessions(schema, sessions_in_order(1, 2, 0, 3, 5, 7, 9, 8))
    assert again.tolist() == ["train", "train", "train", "validation", "validation", "test", "test", "test"]


def test_the_last_sessions_by_time_are_the_test_whoever_their_users_are() -> None:
    schema = schema_of(kind="sessions", validation_share=0.25, test_share=0.25)
    split, boundaries = split_of_sessions(schema, sessions_at(("a", 0.5), ("a", 9.0), ("b", 1.0), ("b", 4.25)))
    assert split.tolist() == ["train", "test", "train", "validation"]
    assert boundaries == {"validation": "2024-01-05T06:00:00", "test": "2024-01-10T00:00:00"}


def test_sessions_that_begin_at_one_place_stay_together_in_the_later_part() -> None:
    schema = schema_of(users=False, time_unit="order", kind="sessions", validation_share=0.25, test_share=0.25)
    split, _ = split_of_sessions(schema, sessions_in_order(0, 1, 1, 1, 2, 3, 3, 3))
    assert split.tolist() == ["train", "train", "train", "train", "validation", "test", "test", "test"]


def test_a_place_inside_each_session_is_refused_as_no_order_of_sessions() -> None:
    schema = schema_of(users=False, time_unit="order", kind="sessions")
    message = (
        "in train .the log has 40 sessions, which begin at 1 different places of its order.: these work: --split ra"
    )
    with pytest.raises(LogError, match=message):
        split_of_sessions(schema, sessions_in_order(*[0] * 40))


def test_the_split_by_sessions_is_named_with_the_shares_that_work() -> None:
    for count, flags in ((40, ""), (12, " --validation-share 0.2 --test-share 0.2")):
        sessions = sessions_at(*((f"visit {number}", number / 100) for number in range(count)))
        with pytest.raises(LogError, match=f"these work: --split sessions{flags}(, or|$)"):
            split_of_sessions(schema_of(users=False), sessions)


def test_a_split_by_sessions_says_only_what_it_has() -> None:
    assert set(schema_of(kind="sessions").split.model_dump()) == {
        "kind", "validation_share", "test_share", "train_moments_per_user",
    }  # fmt: skip
    with pytest.raises(SchemaError, match=r"test_share \+ validation_share leave nothing to train on"):
        schema_of().with_split("sessions", test_share=0.97)


def test_a_split_that_is_not_random_says_nothing_of_shuffles() -> None:
    assert set(schema_of().split.model_dump()) == {"kind", "validation_days", "test_days", "train_moments_per_user"}
    shuffled = schema_of().with_split("random", seed=7)
    assert (shuffled.split.kind, shuffled.split.seed) == ("random", 7)
    with pytest.raises(SchemaError, match=r"test_share \+ validation_share leave nothing for training"):
        schema_of().with_split("random", test_share=0.97)


@pytest.mark.parametrize(
    ("split", "days", "message"),
    [
        (
            {"validation_days": 3, "test_days": 20},
            [0.0, 5.0, 9.0],
            r"no session falls in train \(the log spans 2024-01-01 to 2024-01-10, 3 sessions\): these work: "
            "--split time --validation-days 3 --test-days 3, or --split leave_one_out",
        ),
        (
            {"validation_days": 3, "test_days": 1},
            [0.0, 5.0, 9.0],
            "no session falls in validation .*--validation-days 3 --test-days 3, or --split leave_one_out",
        ),
        (
            {"kind": "random"},
            [0.0, 9.0],
            "no session falls in validation .*no split of this log has all three, give more",
        ),
        (
            {"kind": "leave_one_out"},
            [0.0, 9.0],
            "no session falls in validation .*no split of this log has all three, give a longer log",
        ),
    ],
)
def test_a_split_that_nothing_falls_in_is_refused_by_what_would_work(
    split: dict[str, Any], days: list[float], message: str
) -> None:
    with pytest.raises(LogError, match=message):
        split_of_sessions(schema_of(**split), sessions_at(*(("u", day) for day in days)))


def test_the_split_that_is_named_works() -> None:
    sessions = sessions_at(*(("u", day) for day in (0.0, 5.0, 9.0)))
    for kind, days in (("time", {"validation_days": 3, "test_days": 3}), ("leave_one_out", {})):
        split, _ = split_of_sessions(schema_of(kind=kind, **days), sessions)
        assert sorted(split) == ["test", "train", "validation"]
