"""Moments of prediction: equal to a slow reference, and blind to everything at or after their own instant."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preprocessing.declared import parse_schema
from preprocessing.log.canonical import RawLog, raw_log
from preprocessing.log.read import frame_table
from preprocessing.schema import Schema
from preprocessing.sequences import group_by_user, moments
from preprocessing.session_rows import with_rows

Row = dict[str, Any]


def schema_of(order: str = "file", **split: Any) -> Schema:
    sequences = [
        {"name": "recent", "source": "recent", "max_length": 5},
        {"name": "basket", "source": "session", "max_length": 3},
        {"name": "frequent", "source": "frequent", "max_length": 4},
        {"name": "lately", "source": "frequent", "max_length": 4, "half_life_days": 2.0},
    ]
    numbers = [
        {"name": "value", "source": "session_value"},
        {"name": "size", "source": "session_size"},
        {"name": "since", "source": "days_since_last"},
    ]
    clocks = [{"name": name, "source": name, "dtype": "int"} for name in ("hour", "weekday")]
    body = {
        "name": "unit",
        "log": {
            "columns": {"user": "user", "item": "item", "time": "time", "session": "session", "value": "value"},
            "order_in_session": order,
        },
        "split": {"kind": "leave_one_out", **split},
        "features": [
            *({"kind": "sequence", "side": "context", **each} for each in sequences),
            *({"kind": "numeric", "side": "context", **each} for each in numbers),
            *({"kind": "categorical", "side": "context", **each} for each in clocks),
            {"name": "store", "kind": "categorical", "side": "context"},
            {"name": "item_id", "kind": "categorical", "side": "item", "column": "item"},
        ],
    }
    return parse_schema(body, "unit")


def random_log(seed: int, instants: int = 40) -> pd.DataFrame:
    """Sessions of three users that overlap, share instants and repeat items, and one of a fourth; rows in no order."""
    random = np.random.default_rng(seed)

    def row(session: int, start: int) -> Row:
        late = int(random.integers(12) == 0)
        return {
            "user": f"u{session % 3}",
            "session": f"s{session}",
            "item": f"i{random.integers(12)}",
            "time": pd.Timestamp("2024-03-01") + pd.Timedelta(hours=5 * start + late),
            "value": float(random.integers(1, 9)),
            "store": f"store{session % 4}",
        }

    starts = [int(random.integers(instants)) for _ in range(45)]
    rows = [row(session, start) for session, start in enumerate(starts) for _ in range(random.integers(1, 6))]
    rows.append({**row(45, 0), "user": "early", "time": pd.Timestamp("2024-02-01")})
    return pd.DataFrame(rows).sample(frac=1, random_state=seed).reset_index(drop=True)


def rows_of(schema: Schema, log: RawLog, split: Any = "train") -> dict[str, Row]:
    """Every moment by its session's id, items by their ids; `split` of every session, or of all."""
    purchases = log.interactions.assign(user=pd.factorize(log.sessions["user"])[0][log.interactions["session"]])
    sessions = with_rows(schema, log, np.broadcast_to(split, len(log.sessions)))
    table = moments(schema, group_by_user(purchases), sessions, log.users)
    names = log.items.index
    rows = table.to_pylist()
    for row in rows:
        for name in ("recent", "basket", "frequent", "lately", "target"):
            row[name] = [names[number] for number in row[name]]
    return {row["session"]: row for row in rows}


def features_of(row: Row) -> Row:
    """What a model would see, exactly."""
    return {name: repr(value) for name, value in row.items() if name != "target"}


def reference(log: pd.DataFrame, session: str, cut: int) -> Row:
    """The histories of a session, computed the slow way."""
    log = log.sort_values("time", kind="stable").drop_duplicates(["session", "item"])
    own = log[log.session == session]
    start = own.time.min()
    before = log[(log.user == own.user.iloc[0]) & (log.time < start)]
    # Purchases of one instant stand in the order of their sessions' ids.
    before = before.sort_values(["time", "session"], kind="stable")
    latest = {item: place for place, item in enumerate(before["item"])}
    count = before["item"].value_counts()
    decayed: dict[str, float] = {}
    for item, time in zip(before["item"], before["time"], strict=True):
        decayed[item] = decayed.get(item, 0.0) + 0.5 ** ((start - time) / pd.Timedelta(days=2))
    return {
        "recent": before["item"].tolist()[-5:],
        "frequent": sorted(latest, key=lambda item: (count[item], latest[item]))[-4:],
        "lately": sorted(latest, key=lambda item: (round(decayed[item], 9), latest[item]))[-4:],
        "since": (start - before.time.max()) / pd.Timedelta(days=1) if len(before) else None,
        "basket": own["item"].tolist()[max(0, cut - 3) : cut],
        "target": own["item"].tolist()[cut:],
        "size": float(cut),
        "hour": start.hour,
        "weekday": start.weekday(),
    }


@pytest.mark.parametrize("seed", range(4))
def test_moments_equal_the_slow_reference(seed: int) -> None:
    log, schema = random_log(seed), schema_of()
    rows = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))
    assert len(rows) == 46
    for session, row in rows.items():
        expected = reference(log, session, int(row["size"]))
        for name, value in expected.items():
            seen = None if name == "since" and np.isnan(row[name]) else row[name]
            assert seen == (pytest.approx(value) if name == "since" and value is not None else value), (session, name)


@pytest.mark.parametrize("seed", range(2))
def test_under_a_random_split_histories_hold_only_what_trains(seed: int) -> None:
    log, schema = random_log(seed), schema_of(kind="random")
    raw = raw_log(schema, frame_table("the log", log), None, None)
    split = np.random.default_rng(seed).choice(["train", "validation", "test"], len(raw.sessions), p=[0.6, 0.2, 0.2])
    trains = set(raw.sessions["session"][split == "train"])
    rows = rows_of(schema, raw, split)
    assert len(rows) == 46
    for session, row in rows.items():
        seen = log[[each in trains or each == session for each in log["session"]]]
        expected = reference(seen, session, int(row["size"]))
        for name in ("recent", "frequent", "lately", "basket", "target"):
            assert row[name] == expected[name], (session, name)
        assert row["since"] == pytest.approx(np.nan if expected["since"] is None else expected["since"], nan_ok=True)


@pytest.mark.parametrize("order", ["file", "shuffled"])
@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_nothing_at_or_after_a_moment_changes_its_features(order: str, change: str) -> None:
    schema = schema_of(order)
    for seed in range(3):
        log = random_log(seed)
        rows = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))
        for session in [name for name in rows if rows[name]["user"] != "early"][::4]:
            start = log.time[log.session == session].min()
            later = (log.time >= start) & (log.session != session)
            other = log.assign(
                item=log["item"].where(~later, "i0"),
                value=log["value"].where(~later, 1000.0),
                time=log["time"].where(~later, log["time"] + pd.Timedelta(days=3)),
            )
            changed = log[~later] if change == "deleted" else other
            again = rows_of(schema, raw_log(schema, frame_table("the log", changed), None, None))[session]
            assert features_of(again) == features_of(rows[session])
            assert again["target"] == rows[session]["target"]


def test_another_target_leaves_the_features_as_they_are() -> None:
    schema = schema_of("file")
    log = random_log(1).sort_values(["time", "session"], kind="stable").drop_duplicates(["session", "item"])
    rows = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))
    place = log.groupby("session").cumcount()
    target = place >= log["session"].map({session: row["size"] for session, row in rows.items()})
    for session in list(rows)[::5]:
        own = target & (log.session == session)
        other = log.assign(
            item=log["item"].where(~own, "new" + place.astype(str)), value=log["value"].where(~own, 77.0)
        )
        again = rows_of(schema, raw_log(schema, frame_table("the log", other), None, None))[session]
        assert features_of(again) == features_of(rows[session])
        assert again["target"] != rows[session]["target"]


def test_sessions_of_one_instant_do_not_see_each_other() -> None:
    schema, time = schema_of(), pd.Timestamp("2024-03-01 10:00")
    at = [("a", "b0", 0), ("a", "b1", 1), ("a", "b2", 1), ("a", "b3", 2), ("z", "b4", 0)]
    log = pd.DataFrame([{"user": u, "session": s, "item": s, "time": time + pd.Timedelta(hours=h)} for u, s, h in at])
    rows = rows_of(schema, raw_log(schema, frame_table("the log", log.assign(value=1.0, store="x")), None, None))
    assert [rows[f"b{place}"]["recent"] for place in range(5)] == [[], ["b0"], ["b0"], ["b0", "b1", "b2"], []]
    assert rows["b2"]["since"] == pytest.approx(1 / 24)


@pytest.mark.parametrize("seed", range(3))
def test_session_so_far_and_target_are_parts_of_one_session_with_nothing_in_common(seed: int) -> None:
    schema, log = schema_of("shuffled"), random_log(seed)
    for session, row in rows_of(schema, raw_log(schema, frame_table("the log", log), None, None)).items():
        taken = set(log["item"][log.session == session])
        assert row["target"]
        assert len(set(row["target"])) == len(row["target"])
        assert not set(row["basket"]) & set(row["target"])
        assert set(row["basket"]) | set(row["target"]) <= taken
        assert int(row["size"]) + len(row["target"]) == len(taken)


def test_histories_hold_only_items_of_strictly_earlier_sessions() -> None:
    schema, log = schema_of("shuffled"), random_log(5)
    for session, row in rows_of(schema, raw_log(schema, frame_table("the log", log), None, None)).items():
        own = log[log.session == session]
        earlier = log[(log.user == own.user.iloc[0]) & (log.time < own.time.min())]
        assert session not in set(earlier.session)
        for name in ("recent", "frequent", "lately"):
            assert set(row[name]) <= set(earlier["item"])


def test_the_shuffled_order_inside_a_session_does_not_depend_on_the_files_order() -> None:
    schema, log = schema_of("shuffled"), random_log(3)
    log["time"] = log.groupby("session")["time"].transform("min")
    log = log.drop_duplicates(["session", "item"])
    rows = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))
    for other in (log.iloc[::-1], log.sort_values("item")):
        assert repr(rows_of(schema, raw_log(schema, frame_table("the log", other), None, None))) == repr(rows)
    file = rows_of(schema_of("file"), raw_log(schema_of("file"), frame_table("the log", log), None, None))
    assert any(file[session]["target"] != row["target"] for session, row in rows.items())


def test_only_the_latest_training_moments_are_rows_and_the_others_stay_history() -> None:
    log = random_log(2)
    schema = schema_of(train_moments_per_user=4)
    rows = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))
    everything = rows_of(schema_of(), raw_log(schema, frame_table("the log", log), None, None))
    assert len(rows) == 3 * 4 + 1
    for session, row in rows.items():
        assert features_of(row) == features_of(everything[session])
        later = [r for r in everything.values() if r["user"] == row["user"] and r["time"] > row["time"]]
        assert len(later) < 4


def test_the_newest_and_the_most_frequent_items_are_kept_and_stand_last() -> None:
    schema, start = schema_of(), pd.Timestamp("2024-03-01")
    days = [["a", "b"], ["b", "c"], ["d"], ["e"], ["f"], ["b"], ["x"]]
    log = pd.DataFrame(
        [
            {"user": user, "session": f"{user}{day}", "item": item, "time": start + pd.Timedelta(days=day)}
            for user in ("p", "q")
            for day, items in enumerate(days)
            for item in items
        ]
    ).assign(value=1.0, store="x")
    row = rows_of(schema, raw_log(schema, frame_table("the log", log), None, None))["p6"]
    assert row["recent"] == ["c", "d", "e", "f", "b"]
    assert row["frequent"] == ["d", "e", "f", "b"]
