"""CSV and Parquet files, of one part or of many, compressed or not: the cells as written, or one line on the file."""

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preprocessing.changes import Changes
from preprocessing.log.canonical import RawLog
from preprocessing.log.errors import LogError
from preprocessing.log.read import Source, read_log
from preprocessing.schema import load_schema

ROWS = "u1,00123,2024-01-01\nu2,123,2024-01-02\nu1,NA,2024-01-03\n"
LOG = "user,item,time\n" + ROWS
ITEMS = ["00123", "123", "NA"]


def read(path: Path | Source, changes: Changes | None = None) -> RawLog:
    return read_log(load_schema("generic", changes), path)


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", LOG.encode()),
        ("LOG.CSV", LOG.encode()),
        ("log.tsv", LOG.replace(",", "\t").encode()),
        ("log.csv.gz", gzip.compress(LOG.encode())),
        ("bom.csv", b"\xef\xbb\xbf" + LOG.encode()),
        ("windows.csv", LOG.replace("\n", "\r\n").encode()),
        ("no-last-newline.csv", LOG.rstrip().encode()),
        ("blank-first.csv", ("\n\n" + LOG).encode()),
        ("blank-lines.csv", LOG.replace("\n", "\n\n").encode()),
        ("a-comma-at-each-end.csv", LOG.replace("\n", ",\n").replace("time,", "time").encode()),
        ("more-columns.csv", ("note,note," + LOG.replace("\n", "\nx,y,").removesuffix("x,y,")).encode()),
        ("quoted.csv", LOG.replace("u1", '"u1"').replace("NA", '"NA"').encode()),
    ],
)
def test_a_csv_file_is_read_as_it_is_written(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    log = read(tmp_path / name)
    assert log.items.index.tolist() == ITEMS
    assert log.users.index.tolist() == ["u1", "u2"]
    assert log.sessions["time"].astype(str).tolist() == ["2024-01-01", "2024-01-03", "2024-01-02"]


def test_fields_hold_separators_line_breaks_and_quotes(tmp_path: Path) -> None:
    odd = ["a,b", "a\nb", 'a"b', " a ", "é😀"]
    frame = pd.DataFrame({"user": ["u", "v"] * 2 + ["u"], "item": odd, "time": "2024-01-01"})
    frame.to_csv(tmp_path / "log.csv", index=False)
    assert read(tmp_path / "log.csv").items.index.tolist() == sorted(odd)


def test_a_separator_and_an_encoding_are_stated(tmp_path: Path) -> None:
    text = LOG.replace(",", ";").replace("u2", "café")
    write(tmp_path / "log.csv", text, "latin-1")
    with pytest.raises(LogError, match=r"log\.csv: is not in utf-8: say what it is in, such as --encoding latin-1"):
        read(tmp_path / "log.csv")
    stated = Changes(log={"separator": ";", "encoding": "latin-1"})
    assert read(tmp_path / "log.csv", stated).users.index.tolist() == ["café", "u1"]
    write(tmp_path / "utf16.csv", LOG, "utf-16")
    with pytest.raises(LogError, match=r"begins like UTF-16 but is read as utf-8: say --encoding utf-16"):
        read(tmp_path / "utf16.csv")
    assert read(tmp_path / "utf16.csv", Changes(log={"encoding": "utf-16"})).items.index.tolist() == ITEMS
    with pytest.raises(LogError, match="is not an encoding, give one such as latin-1"):
        read(tmp_path / "log.csv", Changes(log={"encoding": "nope"}))


def test_a_folder_of_part_files_is_one_table(tmp_path: Path) -> None:
    lines = ROWS.splitlines()
    for number, line in enumerate(lines):
        write(tmp_path / "csv" / f"part-{number}.csv", f"user,item,time\n{line}\n")
    write(tmp_path / "csv" / "_SUCCESS", "")
    write(tmp_path / "csv" / ".part-0.csv.crc", "x")
    assert read(tmp_path / "csv").items.index.tolist() == ITEMS
    for number, line in enumerate(lines):
        user, item, time = line.split(",")
        folder = tmp_path / "inside" / "interactions.parquet" / f"time={time}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"user": [user], "item": [item]}), folder / f"part-{number}.parquet")
    log = read(tmp_path / "inside")
    assert log.items.index.tolist() == ITEMS
    assert log.sessions["time"].astype(str).tolist() == ["2024-01-01", "2024-01-03", "2024-01-02"]


def test_a_log_without_users_has_a_user_each_session(tmp_path: Path) -> None:
    text = "order,dish,at\no2,rice,2024-01-02\no1,naan,2024-01-01\no2,naan,2024-01-02\n"
    columns = Changes(columns="session=order,item=dish,time=at")
    log = read_log(load_schema("sessions", columns), write(tmp_path / "log.csv", text))
    assert log.sessions[["user", "session"]].to_numpy().tolist() == [["o1", "o1"], ["o2", "o2"]]
    assert log.report.users == 0
    with pytest.raises(LogError, match=r"no column 'user' .*without users: --schema sessions --columns session=NAME"):
        read_log(load_schema("generic", Changes(columns="item=dish,time=at")), tmp_path / "log.csv")


def test_tables_that_lie_elsewhere_and_keys_of_another_name_are_found(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", LOG)
    items = write(tmp_path / "elsewhere" / "Articles.csv", "article,title\n00123,One\nNA,Three\n")
    named = Changes(columns="title=title", log={"items": "Articles.csv", "items_key": "article"})
    read_there = read(Source(log, items=items), named)
    assert read_there.items["title"].tolist() == ["One", "123", "Three"]
    assert "items of the log found in the item table: 2 of 3" in read_there.report.lines()


def test_part_files_that_differ_in_what_may_be_null_are_one_table(tmp_path: Path) -> None:
    for number, user in enumerate(("a", "b")):
        kind = pa.schema(
            [pa.field("user", pa.string(), nullable=bool(number)), ("item", pa.int64()), ("time", pa.string())]
        )
        part = pa.table({"user": [user], "item": [1], "time": ["2024-01-01"]}, schema=kind)
        pq.write_table(part, tmp_path / f"{number}.parquet")
    assert read(tmp_path).users.index.tolist() == ["a", "b"]


def test_an_item_tables_own_column_is_read_where_its_id_has_another_name(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", LOG)
    write(tmp_path / "items.csv", "sku,item,user\n00123,Apple,ann\n123,Pear,bob\nNA,Fig,\nNA,Twice,\n,None,\n")
    features = (
        "[[features]]\nname = 'item_id'\ncolumn = 'item'\nkind = 'categorical'\nside = 'item'\n"
        "[[features]]\nname = 'label'\ncolumn = 'item'\nkind = 'text'\nside = 'item'\n"
        "[[features]]\nname = 'maker'\ncolumn = 'user'\nkind = 'categorical'\nside = 'item'\n"
        "[[features]]\nname = 'recent'\nkind = 'sequence'\nside = 'user'\n"
    )
    toml = "name = 'shop'\n[log]\nitems = 'items.csv'\nitems_key = 'sku'\n"
    toml += "columns = { user = 'user', item = 'item', time = 'time' }\n" + features
    read_there = read_log(load_schema(write(tmp_path / "shop.toml", toml)), log)
    assert read_there.items["label"].tolist() == ["Apple", "Pear", "Fig"]
    assert read_there.items["maker"].tolist() == ["ann", "bob", None]
    assert read_there.report.lines()[2:5] == [
        "items of the log found in the item table: 3 of 3",
        "the item table: 1 rows repeat an id, the first of each was used",
        "the item table: 1 rows without an id were left out",
    ]


def test_what_was_read_is_reported(tmp_path: Path) -> None:
    text = LOG + "u1,00123,2024-01-01\n"
    assert read(write(tmp_path / "log.csv", text)).report.lines() == [
        "read 4 rows: 2 users, 4 sessions, 3 items",
        "times from 2024-01-01 00:00:00 to 2024-01-03 00:00:00 (ISO 8601)",
        "1 rows repeat user, item and time of another",
    ]


def test_without_users_the_report_speaks_of_sessions(tmp_path: Path) -> None:
    schema = load_schema("sessions", Changes(columns="session=user,item=item,time=time"))
    text = LOG + "u1,00123,2024-01-01\n"
    assert read_log(schema, write(tmp_path / "log.csv", text)).report.lines()[::2] == [
        "read 4 rows: 2 sessions, 3 items",
        "1 rows repeat session, item and time of another",
    ]


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "mixed" / "a.csv", LOG)
    write(tmp_path / "mixed" / "b.parquet", "x")
    write(tmp_path / "other" / "a.csv", LOG)
    write(tmp_path / "other" / "b.csv", LOG.replace("item", "sku"))
    write(tmp_path / "both" / "interactions.csv", LOG)
    write(tmp_path / "both" / "interactions.csv.gz", LOG)
    pq.write_table(pa.table({"user": ["a"], "item": ["1"], "time": ["2024-01-01"]}), tmp_path / "text.parquet")
    write(tmp_path / "lacks" / "0.csv", "item,time\np,2024-01-01\n")
    write(tmp_path / "lacks" / "1.csv", LOG)
    (tmp_path / "types").mkdir()
    for number, item in enumerate((["1"], [1])):
        part = pa.table({"user": ["a"], "item": item, "time": ["2024-01-01"]})
        pq.write_table(part, tmp_path / "types" / f"{number}.parquet")
    files = {
        "gone.csv": (None, r"gone\.csv: no such file, give the path of a \.parquet"),
        "log.json": ("{}", "is neither .parquet nor .csv"),
        "torn.parquet": ("not parquet", "cannot be read as parquet"),
        "torn.csv.gz": ("no gzip", "cannot be read as csv"),
        "empty.csv": ("", "is empty, give a log with a header"),
        "blank.csv": ("\n\n", "is empty, give a log with a header"),
        "head.csv": ("user,item,time\n", "the log is empty: give a log with interactions"),
        "short.csv": (
            LOG + "u1,p\n",
            r"a row has another number of fields than the header's 3 \(expected 3 columns, got 2",
        ),
        "open.csv": ('user,item\n"a', "no column 'user'|cannot be read as csv|another number of fields"),
        "shifted.csv": (
            LOG.replace("\n", ",x\n").replace("time,x", "time"),
            "one field more than the header's 3, such as 'x'",
        ),
        "twice.csv": (LOG.replace("time", "item", 1), "the log has 2 columns named 'item': rename all but one"),
        "one.csv": (LOG.replace(",", ";"), r"it reads as one column: say --separator ';'"),
        "spaces.csv": (LOG.replace("user", " user"), "the columns are ' user', item, time"),
        "mixed": (None, r"a\.csv and b\.parquet are not parts of one table"),
        "other": (None, r"no column 'item' in .*b\.csv"),
        "both": (None, r"holds interactions\.csv and interactions\.csv\.gz, give the path"),
        "types": (None, r"column 'item' is .*string.* in 0\.parquet and int64 in 1\.parquet"),
        "text.parquet": (None, r"the log has a single user \('a'\)"),
        "nothing": (None, "no such file"),
        "lacks": (None, r"no column 'user' in .*0\.csv, 1\.csv has one: write all part files with the same columns"),
        "told.csv": ("sep=;\n" + LOG.replace(",", ";"), r"told\.csv: begins with 'sep=;', .*: remove that line"),
        "marked.csv": ('\ufeff"SEP=,"\r\n' + LOG, "begins with '\"SEP=,\"', .*: remove that line"),
        "zip.csv": ("PK\x03\x04", "is a spreadsheet or a zip: export it as CSV"),
        "named.csv": ("PAR1", "is Parquet: name it .parquet"),
    }
    for name, (text, message) in files.items():
        if text is not None:
            write(tmp_path / name, text)
        with pytest.raises(LogError, match=message):
            read(tmp_path / name)
    with pytest.raises(LogError, match=r"s3://shop/log\.csv: copy the file here and give its path, or a table's URL"):
        read_log(load_schema("generic"), "s3://shop/log.csv")
    with pytest.raises(LogError, match="give --source a"):
        read_log(load_schema("generic"), None)
