"""A small purchase log with every kind of feature on both stages and on the item side, unicode ids and nulls."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preprocessing.fit import fit
from preprocessing.schema import load_schema

USERS, ITEMS, SESSIONS_PER_USER = 24, 40, 12

LOG_TOML = """
name = "synthetic"
description = "Every kind of feature on both stages"
exclude = ["basket"]

[log]
users = "users.parquet"
items = "items.parquet"
timezone = ["UTC", "Europe/Paris"]
order_in_session = "shuffled"

[log.columns]
user = "user"
item = "item"
session = "session"
time = "time"
value = "amount"
title = "title"

[split]
validation_days = 10
test_days = 10
"""

# Features by side and stage, one a line.
FEATURES = {
    'side = "user", stage = "offline"': """
        name = "user_id", column = "user", kind = "categorical", embedding_dim = 8
        name = "city", kind = "categorical", min_frequency = 20, embedding_dim = 4
        name = "tier", kind = "categorical", dtype = "int", embedding_dim = 4
        name = "age", kind = "numeric", fill = 40.0, clip = [18.0, 80.0], log = true, normalize = true
        name = "bio", kind = "text", max_length = 6, min_frequency = 20, embedding_dim = 4
        name = "taste", kind = "pretrained", dim = 4
        name = "recent", kind = "sequence", max_length = 8, encoder = { type = "t5" }, repeat = true
        name = "frequent", kind = "sequence", source = "frequent", max_length = 6, repeat = true
        name = "lately", kind = "sequence", source = "frequent", max_length = 6, half_life_days = 7.0
    """,
    'side = "user", stage = "online"': """
        name = "last_few", kind = "sequence", max_length = 3, encoder = { type = "distilbert" }
    """,
    'side = "context", stage = "online"': """
        name = "basket", kind = "sequence", source = "session", max_length = 4
        name = "device", kind = "categorical", embedding_dim = 4
        name = "slot", kind = "categorical", dtype = "int", embedding_dim = 4
        name = "hour", kind = "categorical", dtype = "int", source = "hour", embedding_dim = 4
        name = "weekday", kind = "categorical", dtype = "int", source = "weekday", embedding_dim = 4
        name = "temperature", kind = "numeric", fill = 12.0, normalize = true
        name = "screen", kind = "numeric", buckets = [4.0, 6.5, 13.0], embedding_dim = 4
        name = "basket_value", kind = "numeric", source = "session_value", log = true, normalize = true
        name = "basket_size", kind = "numeric", source = "session_size"
        name = "days_since", kind = "numeric", source = "days_since_last", clip = [0.0, 30.0], log = true
        name = "query", kind = "text", max_length = 3, min_frequency = 2, embedding_dim = 4
        name = "mood", kind = "pretrained", dim = 3
    """,
    'side = "item"': """
        name = "item_id", column = "item", kind = "categorical", min_frequency = 12, embedding_dim = 16
        name = "brand", kind = "categorical", embedding_dim = 4
        name = "shelf", kind = "categorical", dtype = "int", embedding_dim = 4
        name = "price", kind = "numeric", log = true, normalize = true
        name = "weight", kind = "numeric", buckets = [0.5, 2.0], embedding_dim = 4
        name = "description", kind = "text", max_length = 5, min_frequency = 1, embedding_dim = 4
        name = "picture", kind = "pretrained", dim = 5
    """,
}


def schema_toml(texts: bool = True, repeats: bool = True) -> str:
    """The schema; without `texts` in the request its workflow can be compiled, without `repeats` no sequence does."""
    tables = [f"{line.strip()}, {where}" for where, lines in FEATURES.items() for line in lines.strip().splitlines()]
    kept = [table for table in tables if texts or 'kind = "text"' not in table or 'side = "item"' in table]
    kept = kept if repeats else [table.replace(", repeat = true", "") for table in kept]
    features = "features = [\n" + "".join(f"  {{ {table} }},\n" for table in kept) + "]\n"
    return LOG_TOML.replace("\n[log]", "\n" + features + "\n[log]", 1)


WORDS = ["Crème", "brûlée", "mit", "Äpfeln", "und", "ñandú", "茶", "🍵", "slow", "cooked", "beans"]


def write_log(folder: Path, texts: bool = True, repeats: bool = True) -> Path:
    """Write `interactions.parquet`, `users.parquet`, `items.parquet` and `schema.toml`; the same at every call."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    users = [f"usér-{number}" if number % 3 else f"用户{number}" for number in range(USERS)]
    items = [f"item-{number}" if number % 4 else f"ítem 📦 {number}" for number in range(ITEMS)]

    def some(values: list[Any], count: int, nulls: float) -> list[Any]:
        return [None if random.random() < nulls else values[random.integers(len(values))] for _ in range(count)]

    def some_texts(count: int, nulls: float) -> list[str | None]:
        return [
            None if random.random() < nulls else " ".join(random.choice(WORDS, random.integers(1, 8)))
            for _ in range(count)
        ]

    def vectors(count: int, dim: int, nulls: float) -> list[list[float] | None]:
        return [None if random.random() < nulls else random.normal(size=dim).tolist() for _ in range(count)]

    sessions = USERS * SESSIONS_PER_USER
    minutes = pd.to_timedelta(random.integers(0, 80 * 24 * 60, sessions), "min")
    session = pd.DataFrame(
        {
            "user": np.repeat(users, SESSIONS_PER_USER),
            "session": [f"visit/{number}" for number in random.permutation(sessions)],
            "time": pd.Timestamp("2024-01-01 08:00") + minutes,
            "device": some(["phone", "téléphone", "web", ""], sessions, 0.2),
            "slot": random.integers(0, 5, sessions),
            "temperature": some([-3.5, 0.0, 12.25, 31.0], sessions, 0.2),
            "screen": some([3.5, 4.0, 6.1, 15.6], sessions, 0.1),
            "query": some_texts(sessions, 0.3),
            "mood": vectors(sessions, 3, 0.3),
        }
    )
    own = {user: random.choice(ITEMS, 10, replace=False) for user in users}
    rows = [
        (place, items[item], round(random.gamma(2.0, 2.0), 2))
        for place, user in enumerate(session["user"])
        for item in random.choice(own[user], random.integers(1, 7), replace=False)
    ]
    log = pd.DataFrame(rows, columns=["place", "item", "amount"])
    log = session.loc[log["place"]].reset_index(drop=True).assign(item=log["item"], amount=log["amount"])
    log.to_parquet(folder / "interactions.parquet", index=False)
    pd.DataFrame(
        {
            "user": users,
            "city": some(["Łódź", "København", "東京", "Wien"], USERS, 0.3),
            "tier": random.integers(0, 3, USERS),
            "age": some([17.0, 25.0, 44.0, 93.0], USERS, 0.3),
            "bio": some_texts(USERS, 0.3),
            "taste": vectors(USERS, 4, 0.3),
        }
    ).to_parquet(folder / "users.parquet", index=False)
    pd.DataFrame(
        {
            "item": items,
            "title": [f"Tïtle {number}" if number % 5 else None for number in range(ITEMS)],
            "brand": some(["Ærø", "Generic"], ITEMS, 0.3),
            "shelf": random.integers(0, 6, ITEMS),
            "price": some([0.5, 1.99, 20.0], ITEMS, 0.1),
            "weight": some([0.1, 0.5, 5.0], ITEMS, 0.1),
            "description": some_texts(ITEMS, 0.2),
            "picture": vectors(ITEMS, 5, 0.2),
        }
    ).to_parquet(folder / "items.parquet", index=False)
    (folder / "schema.toml").write_text(schema_toml(texts, repeats), encoding="utf-8")
    return folder


def fitted_data(folder: Path, texts: bool = True, repeats: bool = True) -> Path:
    """The output folder of a real fit over the log, which is written first; `texts`, `repeats`: see `schema_toml`."""
    log = write_log(folder / "log", texts, repeats)
    fit(load_schema(log / "schema.toml"), log, folder / "data")
    return folder / "data"
