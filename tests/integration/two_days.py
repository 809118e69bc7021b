"""A tiny shop on two days: one item has gone on the second day, and one is new."""

import csv
import random
from datetime import date, datetime, timedelta
from pathlib import Path

GONE, FRESH = "gone", "fresh"
SCHEMA = """
name = "shop"
log.columns = { user = "customer", item = "sku", time = "bought_at" }
split = { validation_days = 14, test_days = 14 }
features = [
  { name = "user_id", column = "customer", kind = "categorical", side = "user", embedding_dim = 4 },
  { name = "recent_items", kind = "sequence", side = "user", max_length = 8, repeat = true },
  { name = "hour", kind = "categorical", dtype = "int", source = "hour", side = "context", stage = "online" },
  { name = "item_id", column = "sku", kind = "categorical", side = "item", min_frequency = 2, embedding_dim = 8 },
]
"""


def write_log(path: Path, last: date, new_item: bool) -> None:
    """A log of 12 items until `last`: with GONE, or with FRESH since the last week in its place."""
    first, chance, rows = datetime(2026, 10, 1, 8), random.Random(7), []
    for day in range((last - first.date()).days + 1):
        thirteenth = GONE if not new_item else FRESH if day > 51 else "p0"
        for customer in range(12):
            if chance.random() < 0.4:
                bought_at = first + timedelta(days=day, minutes=7 * customer)
                basket = chance.sample([*(f"p{item}" for item in range(12)), thirteenth], 3)
                rows += [(f"c{customer}", item, bought_at.isoformat(" ")) for item in basket]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("customer", "sku", "bought_at"), *rows])
