"""`preprocessing schema`: what is drafted of a log that nobody described, and that the draft goes through a fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from preprocessing.changes import Changes
from preprocessing.fit import Summary, fit
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source
from preprocessing.schema import Schema, Text
from tests.drafts import csv, drafted


def fitted(source: Source, schema: Schema) -> Summary:
    assert source.log is not None
    return fit(schema, source, Path(source.log).parent / "data")


def movielens(folder: Path) -> Source:
    """Ratings and movies as MovieLens' own files have them: epoch seconds, genres with |."""
    random = np.random.default_rng(5)
    rows = [
        (user, movie, random.choice([3.5, 4.0]), 964_982_703 + int(random.integers(86_400 * 200)))
        for user in range(1, 13)
        for movie in random.choice(20, 8, replace=False)
    ]
    pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"]).to_csv(folder / "ratings.csv", index=False)
    genres = ["Action|Comedy", "Comedy|Film-Noir|Sci-Fi", "Drama", "Action"] * 5
    movies = pd.DataFrame({"movieId": range(20), "title": [f"The Film {n} (1990)" for n in range(20)]})
    movies.assign(genres=genres).to_csv(folder / "movies.csv", index=False)
    return Source(folder / "ratings.csv", items=folder / "movies.csv")


def orders(folder: Path, days: int = 150) -> Source:
    """A restaurant's orders: semicolons, day-first dates, decimal commas, no users."""
    random = np.random.default_rng(5)
    lines = ["Order Number;Order Date;Item Name;Quantity;Product Price;Counter"]
    for order in range(40):
        time = pd.Timestamp("2019-01-01") + pd.Timedelta(days=order * days / 40, hours=order % 24)
        lines += [
            f"{16_000 + order};{time:%d/%m/%Y %H:%M};Dish {item};1;{item + 1},95;{'AB'[order % 2]}"
            for item in random.choice(6, 3, replace=False)
        ]
    return csv(folder / "orders.csv", "\n".join(lines) + "\n")


def clothes(folder: Path) -> Source:
    """Transactions, articles and customers as H&M's: zero-padded ids, codes beside names, NA."""
    rows = [
        (
            f"2020-{6 + n % 3:02}-{1 + n % 28:02}",
            f"c{n % 10}",
            f"0{108_775_000 + n * 7 % 11}",
            round(n / 777, 4),
            1 + n // 3 % 2,
        )
        for n in range(150)
    ]
    columns = ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "transactions.csv", index=False)
    articles = pd.DataFrame({"article_id": [f"0{108_775_000 + n}" for n in range(11)]})
    articles["prod_name"] = [f"Strap top {n}" for n in range(11)]
    articles["type_no"] = [253 + n % 3 for n in range(11)]
    articles["type_name"] = [f"Type {n % 3}" for n in range(11)]
    articles["colour"] = ["Black", "NA", "White"] * 3 + ["Black"] * 2
    articles["weight"] = [n / 8 + 0.1 for n in range(11)]
    articles.to_csv(folder / "articles.csv", index=False)
    ages = pd.DataFrame({"customer_id": [f"c{n}" for n in range(10)], "age": range(20, 30)})
    ages.assign(postal_code=[f"0{n % 3}" for n in range(10)]).to_csv(folder / "customers.csv", index=False)
    return Source(folder / "transactions.csv", folder / "customers.csv", folder / "articles.csv")


def test_a_draft_of_movielens_reads_epochs_and_genres_and_goes_through_a_fit(tmp_path: Path) -> None:
    source = movielens(tmp_path)
    text, schema = drafted(source)
    assert schema.log.time_unit == "s"
    assert schema.log.columns.model_dump(exclude_none=True) == {
        "user": "userId", "item": "movieId", "time": "timestamp", "title": "title",
    }  # fmt: skip
    features = {feature.name: feature for feature in schema.features}
    assert isinstance(features["genres"], Text)
    assert features["genres"].separator == "|"
    assert schema.exclude == ("recent_items",)
    assert "rating" not in features
    assert '# name = "rating"' in text
    made = fitted(source, schema)
    genres = {"action", "comedy", "film-noir", "sci-fi", "drama"}
    assert made.fitted.cardinality("genres") == len(genres) + 3
    assert made.users == 12


def test_a_draft_of_orders_reads_their_csv_and_dates_and_goes_through_a_fit(tmp_path: Path) -> None:
    source = orders(tmp_path)
    text, schema = drafted(source)
    log = schema.log
    assert (log.separator, log.decimal, log.time_format) == (";", ",", "%d/%m/%Y %H:%M")
    assert log.columns.model_dump(exclude_none=True) == {
        "item": "Item Name", "time": "Order Date", "session": "Order Number", "value": "Product Price",
    }  # fmt: skip
    assert "counter" in {feature.name for feature in schema.request_features}
    assert "# choose" not in text
    assert fitted(source, schema).read.users == 0


def test_a_draft_of_a_log_with_tables_goes_through_a_fit(tmp_path: Path) -> None:
    source = clothes(tmp_path)
    text, schema = drafted(source)
    assert (schema.log.users, schema.log.items) == ("customers.csv", "articles.csv")
    assert schema.log.columns.title == "prod_name"
    by_side = {side: {f.name for f in schema.features if f.side == side} for side in ("user", "context", "item")}
    assert by_side["user"] >= {"user_id", "age", "postal_code", "recent_items"}
    assert by_side["context"] == {"sales_channel_id", "weekday", "days_since_last"}
    assert by_side["item"] >= {"item_id", "type_no", "colour", "weight"}
    assert "type_name of articles.csv: it has the same information as 'type_no'" in text
    assert '# null_values = ["NA"]' in text
    assert schema.log.null_values == ()
    assert "it has 11 of the 11 items seen" in text
    assert all(join.matched == join.of for join in fitted(source, schema).read.joins)


def test_where_dates_read_in_two_ways_both_are_written_and_none_is_chosen(tmp_path: Path) -> None:
    source = orders(tmp_path, days=10)
    text, schema = drafted(source)
    assert schema.log.time_format is None
    for way in ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"):
        assert f'# time_format = "{way}"' in text
    with pytest.raises(LogError, match="more than one way: say --time-format"):
        fitted(source, schema)
    chosen, _ = drafted(source, Changes(log={"time_format": "%d/%m/%Y %H:%M"}))
    assert "# choose" not in chosen
    assert chosen.count("time_format") == 1
