"""A small log of orders without users: an order counts as a user, and nothing is known before the request."""

from pathlib import Path

import numpy as np
import pandas as pd

from preprocessing.fit import fit
from preprocessing.schema import load_schema

ORDERS, DISHES = 150, 12
BASKET = 'name = "basket_items", kind = "sequence", source = "session", side = "context", max_length = 4'
HOUR = 'name = "hour", kind = "categorical", dtype = "int", source = "hour", side = "context", embedding_dim = 4'
WEEKDAY = HOUR.replace("hour", "weekday")
ONLINE = {
    "orders": tuple(f'{table}, stage = "online"' for table in (BASKET, HOUR, WEEKDAY)),
    "one_feature": (f'{HOUR}, stage = "online"',),
}
OFFLINE = {"offline_only": (f'{BASKET}, repeat = true, stage = "offline"',)}
"""Request features by the name of the schema."""

TOML = """
name = "{name}"
{exclude}
features = [
{features}
  {{ name = "item_id", column = "dish", side = "item", kind = "categorical", embedding_dim = 8 }},
]

[log.columns]
user = "order"
item = "dish"
session = "order"
time = "time"

[split]
validation_days = 4
test_days = 4
"""


def write_orders(folder: Path, name: str) -> Path:
    """Write `orders.csv` and `schema.toml` of the schema `name`; the same at every call."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.sort(random.integers(0, 40 * 24 * 60, ORDERS)), "min")
    dishes = [f"dish {number}" for number in range(DISHES)]
    share = 1 / np.arange(1, DISHES + 1)
    rows = [
        (f"order-{number}", dish, time)
        for number, time in enumerate(times)
        for dish in random.choice(dishes, random.integers(2, 5), replace=False, p=share / share.sum())
    ]
    pd.DataFrame(rows, columns=["order", "dish", "time"]).to_csv(folder / "orders.csv", index=False)
    tables = {**ONLINE, **OFFLINE}[name]
    features = "\n".join(f"  {{ {table} }}," for table in tables)
    exclude = 'exclude = ["basket_items"]' if BASKET in tables[0] else ""
    (folder / "schema.toml").write_text(TOML.format(name=name, exclude=exclude, features=features), encoding="utf-8")
    return folder


def fitted_orders(folder: Path, name: str) -> Path:
    """Return the output folder of a real fit of the schema `name`."""
    log = write_orders(folder / "log", name)
    fit(load_schema(log / "schema.toml"), log / "orders.csv", folder / "data")
    return folder / "data"
