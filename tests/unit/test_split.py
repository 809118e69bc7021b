"""Splits: by date on local days, or each user's last sessions left out."""

from typing import Any

import pandas as pd
import pytest

from preprocessing.declared import parse_schema
from preprocessing.log.errors import LogError
from preprocessing.schema import Schema, SchemaError
from preprocessing.split import split_of_sessions


def schema_of(**split: Any) -> Schema:
    columns = {"user": "user", "item": "item", "time": "time"}
    features = [
        {"name": "item", "kind": "categorical", "side": "item"},
        {"name": "recent", "kind": "sequence", "side": "user"},
    ]
    return parse_schema({"name": "unit", "log": {"columns": columns}, "split": split, "features": features}, "unit")


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
