"""What `preprocessing schema` guesses of columns, says of them, and refuses."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.changes import Changes
from preprocessing.draft import sample
from preprocessing.draft.roles import ITEM, SESSION, USER, likeness
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source
from preprocessing.schema import Numeric, Sequence
from stage.errors import BadInput
from tests.drafts import DAYS, csv, drafted, rows_of


def test_where_no_column_is_named_like_a_role_the_guess_says_so(tmp_path: Path) -> None:
    people, things = [f"p{n % 9}" for n in range(120)], [f"q{n % 20}" for n in range(120)]
    text, schema = drafted(csv(tmp_path / "log.csv", rows_of(a=people, b=things, c=DAYS)))
    assert schema.log.columns.model_dump(exclude_none=True) == {"user": "a", "item": "b", "time": "c"}
    assert '# choose: no column is named like the item; this one is a guess, or "a"' in text


def test_a_log_without_a_column_for_a_role_is_drafted_all_the_same(tmp_path: Path) -> None:
    text, schema = drafted(csv(tmp_path / "log.csv", rows_of(item=["a", "b"] * 5, price=np.arange(10) / 8)))
    assert (schema.log.columns.user, schema.log.columns.time) == ("user", "time")
    assert '# choose: no column looks like the time; the columns are "item", "price"' in text
    assert "# choose: preprocessing fit would refuse this schema: no column 'user' in the log" in text


def test_a_context_that_changes_in_few_sessions_takes_its_first_value(tmp_path: Path) -> None:
    sessions = np.repeat(np.arange(60), 2)
    channel = np.where(sessions % 3, "web", "shop")
    channel[::30] = "app"  # the first row of a few sessions
    page = [f"page {n % 7}" for n in range(120)]
    user = [f"u{n % 8}" for n in sessions]
    sku = [f"s{(n * 5) % 11}" for n in range(120)]
    log = rows_of(user=user, visit_id=sessions, sku=sku, at=np.repeat(DAYS[:60], 2), channel=channel, page=page)
    text, schema = drafted(csv(tmp_path / "log.csv", log))
    features = {feature.name: feature for feature in schema.features}
    assert features["channel"].in_session == "first"
    assert "it changes inside 6.7% of the sessions of two rows or more: the first value is taken" in text
    assert "page" not in features
    assert '# name = "page"' in text
    assert "it changes inside 100.0%" in text


@pytest.mark.parametrize("again", [False, True])
def test_repeats_are_counted_and_decide_what_is_proposed_of_histories(again: bool, tmp_path: Path) -> None:
    user = np.arange(120) % 6
    item = (np.arange(120) // 6) % (5 if again else 20)
    text, schema = drafted(csv(tmp_path / "log.csv", rows_of(user=user, item=item, time=DAYS)))
    sequences = [feature for feature in schema.features if isinstance(feature, Sequence)]
    assert [each.repeat for each in sequences] == ([True, True] if again else [False])
    assert schema.exclude == (() if again else ("recent_items",))
    assert ("75.0% of what users take they took before" if again else "0.0% of what users take") in text


TIMES: dict[str, tuple[list[Any], str, str | None]] = {
    "ISO 8601": (list(DAYS), "timestamp", None),
    "milliseconds": ([1_704_067_200_000 + n * 86_400_000 for n in range(120)], "ms", None),
    "days of eight digits": ([day.replace("-", "") for day in DAYS], "timestamp", "%Y%m%d"),
    "an order": (list(range(120)), "order", None),
}


@pytest.mark.parametrize(("times", "unit", "way"), TIMES.values(), ids=TIMES)
def test_times_are_read_in_the_usual_ways(times: list[Any], unit: str, way: str | None, tmp_path: Path) -> None:
    user, item = np.arange(120) % 6, (np.arange(120) // 3) % 10
    _, schema = drafted(csv(tmp_path / "log.csv", rows_of(user=user, item=item, day=times)))
    assert (schema.log.time_unit, schema.log.time_format) == (unit, way)
    assert schema.split.kind == ("leave_one_out" if unit == "order" else "time")
    clocks = {"hour", "weekday", "days_since_last"} & {feature.name for feature in schema.features}
    assert clocks == (set() if unit == "order" else {"weekday", "days_since_last"})


def test_sessions_with_only_an_order_are_split_at_random(tmp_path: Path) -> None:
    session = np.repeat(np.arange(40), 3)
    log = pa.table({"session_idx": session, "pos": np.tile(np.arange(3), 40), "item_id": (np.arange(120) * 7) % 13})
    pq.write_table(log, tmp_path / "train.parquet")
    text, schema = drafted(Source(tmp_path / "train.parquet"))
    assert schema.log.columns.model_dump(exclude_none=True) == {
        "item": "item_id", "time": "pos", "session": "session_idx",
    }  # fmt: skip
    assert (schema.log.time_unit, schema.split.kind) == ("order", "random")
    assert "of the sessions seen: 75.0% train, 5.0% validation, 20.0% test" in text


def test_columns_that_are_not_features_are_listed_with_the_reason(tmp_path: Path) -> None:
    log = pa.table(
        {
            "user": np.arange(120) % 6, "item": np.arange(120) % 9, "time": DAYS.tolist(), "same": ["x"] * 120,
            "empty": pa.nulls(120, pa.string()), "row": [f"r{n}" for n in range(120)],
            "tags": [["a"] * (n % 3) for n in range(120)], "taste": [[0.5, n / 3] for n in range(120)],
            "Größe (cm)": [n % 3 * 1.5 for n in range(120)], "week": [str(n % 4) for n in range(120)],
            "amount_due": ["NA" if n % 7 == 0 else str(n) for n in range(120)],
        }
    )  # fmt: skip
    pq.write_table(log, tmp_path / "log.parquet")
    text, schema = drafted(Source(tmp_path / "log.parquet"))
    for why in (
        "# same: it has one value only",
        "# empty: it is empty",
        "# row: nearly every value occurs once, so nothing can be learned from it",
        "# tags: its type is no text, number or vector of one length",
    ):
        assert why in text
    features = {feature.name: feature for feature in schema.features}
    assert isinstance(features["gr_e_cm"], Numeric)
    assert features["gr_e_cm"].column == "Größe (cm)"
    assert features["context_week"].column == "week"
    assert features["taste"].kind == "pretrained"
    assert 'numbers but for "NA": with null_values = ["NA"] it can be kind = \'numeric\'' in text


def test_a_table_whose_ids_are_not_the_logs_is_said_so(tmp_path: Path) -> None:
    source = csv(tmp_path / "log.csv", rows_of(user=np.arange(120) % 6, item=np.arange(120) % 9, time=DAYS))
    (tmp_path / "items.csv").write_text("article,brand\n" + "".join(f"00{n},b{n % 2}\n" for n in range(9)))
    text, schema = drafted(Source(source.log, items=tmp_path / "items.csv"))
    assert 'choose: none of them; its \'article\' holds "000", the log "0"' in text
    assert schema.log.items_key == "article"
    (tmp_path / "items.csv").write_text("article,brand\n" + "".join(f"{n},b{n % 2}\n" for n in range(5)))
    text, schema = drafted(Source(source.log, items=tmp_path / "items.csv"))
    assert "it has 5 of the 9 items seen" in text
    with pytest.raises(LogError, match=r"--users .*no column of the log looks like the user: name it, --columns"):
        drafted(
            Source(csv(tmp_path / "o.csv", rows_of(item=["a", "b"], at=DAYS[:2])).log, users=tmp_path / "items.csv")
        )


def test_only_the_first_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "ROWS", 60)
    monkeypatch.setattr(sample, "CHUNK", 50)
    log = rows_of(user=np.arange(120) % 6, item=np.arange(120) % 9, time=[*DAYS[:100], *["no time"] * 20])
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(log.encode()))
    text, _ = drafted(Source(tmp_path / "log.csv.gz"))
    assert "its first 60 rows" in text
    pq.write_table(pa.table({"user": np.arange(120), "item": np.arange(120) % 9}), tmp_path / "log.parquet")
    assert "its first 60 rows" in drafted(Source(tmp_path / "log.parquet"))[0]


REFUSED: dict[str, tuple[bytes, Changes, str]] = {
    "another encoding": ("user,item\né,b\n".encode("latin-1"), Changes(), r"is not in utf-8: say .*--encoding latin-1"),
    "rows of other lengths": (
        b"user,item\na,b,c\n",
        Changes(),
        r"a row has 3 fields, the header 2 \(it begins with 'a'",
    ),
    "no rows": (b"user,item\n", Changes(), "has no rows, give a table with some"),
    "a column twice": (b"user,user\na,b\n", Changes(), "has two columns named 'user': rename one of them"),
    "a long separator": (
        b"a,b\n1,2\n",
        Changes(log={"separator": ";;"}),
        r"separator: seen ';;', expected one ASCII",
    ),
    "an unknown role": (b"a,b\n1,2\n", Changes(columns="who=a"), "'who=a' is not ROLE=NAME"),
}


@pytest.mark.parametrize(("content", "changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_is_one_line(content: bytes, changes: Changes, message: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        drafted(Source(tmp_path / "log.csv"), changes)


def test_stated_columns_and_keys_are_taken_as_they_are(tmp_path: Path) -> None:
    log = rows_of(user=np.arange(120) % 6, item=np.arange(120) % 9, other=np.arange(120) % 11, time=DAYS)
    path = tmp_path / "log.csv"
    path.write_text(log, encoding="latin-1")
    stated = Changes(columns="item=other", log={"encoding": "latin-1", "timezone": ("UTC", "Europe/Paris")})
    text, schema = drafted(Source(path), stated)
    assert schema.log.columns.item == "other"
    assert (schema.log.encoding, schema.log.timezone) == ("latin-1", ("UTC", "Europe/Paris"))
    assert "# choose" not in text


def test_names_of_columns_are_distinguished() -> None:
    for name in ("userId", "customer_id", "CustomerID", "Household Key", "user"):
        assert likeness(name, USER) > max(likeness(name, ITEM), likeness(name, SESSION))
    for name in ("movieId", "article_id", "StockCode", "Item Name", "skus", "SKU", "productid"):
        assert likeness(name, ITEM) > max(likeness(name, USER), likeness(name, SESSION))
    assert likeness("item_id", ITEM) > likeness("Item Name", ITEM)
    assert likeness("country", USER) == likeness("country", ITEM) == 0


def test_columns_of_the_log_that_describe_users_or_items_are_theirs(tmp_path: Path) -> None:
    count = np.arange(120)
    log = rows_of(
        InvoiceNo=count // 3, StockCode=[f"S{n % 10}" for n in count], Description=[f"RED MUG {n % 10}" for n in count],
        Quantity=count % 5, InvoiceDate=[f"{1 + n // 40}/{13 + n // 3 % 13}/2011 8:26" for n in count],
        UnitPrice=count % 10 / 4, CustomerID=[f"c{n // 3 % 4}" for n in count],
        Country=[("France", "Spain")[n // 3 % 4 // 2] for n in count],
    )  # fmt: skip
    _, schema = drafted(csv(tmp_path / "retail.csv", log))
    assert schema.log.columns.model_dump(exclude_none=True) == {
        "user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "session": "InvoiceNo",
        "value": "UnitPrice", "title": "Description",
    }  # fmt: skip
    assert schema.log.time_format == "%m/%d/%Y %H:%M"
    features = {feature.name: feature for feature in schema.features}
    assert features["country"].side == "user"
    assert "description" not in features


def test_no_column_keeps_a_log_from_being_drafted(tmp_path: Path) -> None:
    odd = {
        "user": pa.array([1.5, None, 2.5] * 40), "item": pa.array([2**63 + n % 9 for n in range(120)], pa.uint64()),
        "time": pa.array(DAYS), "flag": pa.array([True, None, False] * 40), "none": pa.nulls(120),
        "gap": pa.array([1, 2, 3] * 40, pa.duration("s")), "clock": pa.array([1, 2, 3] * 40, pa.time32("s")),
        "raw": pa.array([b"\xff", b"a", b"b"] * 40), "pair": pa.array([{"a": 1}] * 120),
        "code": pa.array(["a", "b", None] * 40).dictionary_encode(),
        'a "b"\n# c': pa.array(["x\ny", 'q"', "\x7f"] * 40),
        "2nd": pa.array([float("nan"), 1.0, 2.5] * 40), "%": pa.array([[1.0], [2.0, 3.0], None] * 40),
        "nul": pa.array(["a\0b", "c", "d"] * 40), "": pa.array(["1", "2", "3"] * 40),
    }  # fmt: skip
    pq.write_table(pa.table(odd), tmp_path / "log.parquet")
    text, schema = drafted(Source(tmp_path / "log.parquet"))
    assert {"flag", "code", "a_b_c", "user_2nd"} <= {feature.name for feature in schema.features}
    assert schema.log.columns.item == "item"
    assert '# "": it has no name: give it one in the header' in text
    assert "# choose: as it stands" not in text
    for name in ("gap", "raw", "pair", "nul", "%"):
        assert f"# {name}: its type is no text, number or vector of one length" in text
