"""Small logs in the layout of each shipped schema that reads files."""

from pathlib import Path

import numpy as np
import pandas as pd

USERS, ITEMS, VISITS, DAYS = 6, 8, 30, 120


def visits() -> pd.DataFrame:
    """`user`, `visit`, `time`, `item`: two items a visit."""
    random = np.random.default_rng(3)
    count = USERS * VISITS
    minutes = pd.to_timedelta(random.integers(0, DAYS * 24 * 60, count), "min")
    visit = pd.DataFrame(
        {
            "user": np.tile(np.arange(1, USERS + 1), VISITS),
            "visit": random.permutation(count) + 536_365,
            "time": pd.Timestamp("2011-01-03") + minutes,
        }
    )
    items = [random.choice(ITEMS, 2, replace=False) for _ in range(count)]
    return visit.assign(item=items).explode("item", ignore_index=True).astype({"item": "int64"})


def online_retail(folder: Path) -> Path:
    log = visits().rename(columns={"user": "user_id", "visit": "session_id", "item": "item_id", "time": "timestamp"})
    log["country"] = np.where(log["user_id"] == 1, "France", "United Kingdom")
    log.assign(quantity=2, price=np.float32(1.25)).to_parquet(folder / "interactions.parquet", index=False)
    items = pd.DataFrame({"item_id": np.arange(ITEMS, dtype=np.int16), "title": [f"RED MUG {n}" for n in range(ITEMS)]})
    items["stock_code"] = items["item_id"].astype(str)
    items["median_price"] = items["item_id"].astype("float32")
    items.to_parquet(folder / "items.parquet", index=False)
    return folder


def movielens(folder: Path) -> Path:
    log = visits().drop_duplicates(["user", "item"]).rename(columns={"user": "user_id", "item": "item_id"})
    log["timestamp"] = (log["time"] - pd.Timestamp("2011-01-03")).dt.total_seconds().astype("int64") + 874_724_710
    log[["user_id", "item_id", "timestamp"]].assign(rating=4).to_parquet(folder / "interactions.parquet", index=False)
    users = pd.DataFrame({"user_id": [str(n) for n in range(1, USERS + 1)]})
    users.assign(
        age=["17", "24", "35", "49", "50", "73"],
        gender=["F", "M"] * 3,
        occupation=["writer", "other"] * 3,
        zip_code=["85711", "94043"] * 3,
    ).to_parquet(folder / "users.parquet", index=False)
    items = pd.DataFrame({"item_id": [str(n) for n in range(ITEMS)], "release_year": "1995"})
    items.assign(movie_title=[f"Toy Story {n}" for n in range(ITEMS)], **{"class": "Comedy Children's"}).to_parquet(
        folder / "items.parquet", index=False
    )
    return folder


def generic(folder: Path) -> Path:
    visits()[["user", "item", "time"]].to_csv(folder / "log.csv", index=False)
    return folder / "log.csv"


def sessions(folder: Path) -> Path:
    log = visits().rename(columns={"visit": "session"})[["session", "item", "time"]]
    log.to_csv(folder / "log.csv", index=False)
    return folder / "log.csv"


def positions(folder: Path, position: str) -> Path:
    log = visits().sort_values("time").rename(columns={"user": "user_id", "item": "item_id"})
    log[position] = log.groupby("user_id").cumcount()
    log[["user_id", position, "item_id"]].to_parquet(folder / "interactions.parquet", index=False)
    return folder


def movielens_1m(folder: Path) -> Path:
    return positions(folder, "position")


def amazon_beauty(folder: Path) -> Path:
    names = [["OPI", "Makeup", f"Nail Polish {n % 2}"] for n in range(ITEMS)]
    items = pd.DataFrame({"item_id": np.arange(ITEMS), "asin": [f"B00{n}" for n in range(ITEMS)], "attr_names": names})
    items.to_parquet(folder / "items.parquet", index=False)
    return positions(folder, "pos")


def clicks() -> pd.DataFrame:
    """`session_idx`, `pos`, `item_id`: visits of three clicks, the last of which is the first again."""
    log = visits().sort_values(["time", "visit"], kind="stable")
    first = log.drop_duplicates("visit")
    log = pd.concat([log, first]).rename(columns={"item": "item_id"})
    log["session_idx"] = pd.factorize(log["visit"])[0]
    log["pos"] = log.groupby("session_idx").cumcount()
    return log.sort_values(["session_idx", "pos"])[["session_idx", "pos", "item_id"]]


def diginetica(folder: Path) -> Path:
    log = clicks()
    log[log["session_idx"] < 140].to_parquet(folder / "train_sessions.parquet", index=False)
    test = log[log["session_idx"] >= 140]
    test.assign(session_idx=test["session_idx"] - 140).to_parquet(folder / "test_prefixes.parquet", index=False)
    return folder


def atomic(log: pd.DataFrame) -> str:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    seconds = (log["time"] - pd.Timestamp("1970-01-01")).dt.total_seconds()
    return header + "".join(
        f"{user}\t{item}\t4\t{second}\n" for user, item, second in zip(log["user"], log["item"], seconds, strict=True)
    )


def recbole(folder: Path) -> Path:
    (folder / "visits.inter").write_text(atomic(visits()), encoding="utf-8")
    (folder / "visits.item").write_text('item_id:token\ttitle:token_seq\n1\tan "odd title\n', encoding="utf-8")
    return folder


def recbole_files(folder: Path) -> Path:
    log = visits().sort_values("time")
    for name, rows in (("train", log[:-40]), ("valid", log[-40:-20]), ("test", log[-20:])):
        (folder / f"visits.{name}.inter").write_text(atomic(rows), encoding="utf-8")
    return folder


def session_lines(folder: Path) -> Path:
    lines = [" ".join(map(str, items)) for _, items in clicks().groupby("session_idx")["item_id"]]
    (folder / "sessions.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder / "sessions.txt"


def user_lines(folder: Path) -> Path:
    lines = [f"{user} {' '.join(map(str, items))}" for user, items in visits().groupby("user")["item"]]
    (folder / "users.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder / "users.txt"


LOGS = {
    "movielens_1m": movielens_1m,
    "amazon_beauty": amazon_beauty,
    "amazon_beauty_side": amazon_beauty,
    "diginetica": diginetica,
    "recbole": recbole,
    "recbole_files": recbole_files,
    "session_lines": session_lines,
    "user_lines": user_lines,
    "online_retail": online_retail,
    "movielens": movielens,
    "movielens_ids": movielens,
    "movielens_side": movielens,
    "generic": generic,
    "sessions": sessions,
}
