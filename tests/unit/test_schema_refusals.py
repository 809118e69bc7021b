"""What a schema may not say, each in one line that names the key and the remedy."""

from pathlib import Path

import pytest

from preprocessing.changes import ChangeError, Changes
from preprocessing.schema import SchemaError, load_schema
from preprocessing.tensor_names import TENSOR_NAMES
from tests.synthetic import schema_toml


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


ZONES = 'timezone = ["UTC", "Europe/Paris"]'
CITY = 'name = "city", kind = "categorical",'
REFUSED = {
    "no TOML": ('name = "synthetic"', "name = synthetic", r"shop\.toml: is not TOML \(.*line 2.*\), correct it"),
    "an unknown key of a feature": (CITY, f"{CITY} colour = 3,", "shop.toml: features.'city'.colour: unknown key"),
    "an unknown key of the log": ("[log]", "[log]\nsep = ';'", "log.sep: unknown key"),
    "an unknown kind": (
        CITY,
        'name = "city", kind = "colour",',
        "features.'city': seen kind 'colour', expected one of",
    ),
    "a name used twice": ('name = "tier"', 'name = "city"', "duplicate feature name 'city'.*rename"),
    "a name of the row": ('name = "city"', 'name = "session"', "feature name 'session' is kept for the row"),
    "a name of the item table": ('name = "brand"', 'name = "title"', "feature name 'title' is kept for the row"),
    "a name that is none": (
        'name = "city"',
        'name = "my city"',
        "features.'my city'.name: seen 'my city', expected letters",
    ),
    "no item id": ('column = "item", kind', 'column = "brand", kind', "no item id feature.*column 'item'"),
    "an item id of ints": ('column = "item",', 'column = "item", dtype = "int",', "item ids are strings, drop dtype"),
    "a number below zero": (
        "max_length = 8",
        "max_length = -8",
        "features.'recent'.max_length: seen -8, expected a number ab",
    ),
    "buckets that fall": ("[4.0, 6.5, 13.0]", "[4.0, 3.0]", "screen: buckets must rise strictly"),
    "even buckets of no count": ("[4.0, 6.5, 13.0]", "{ first = 4.0, last = 13.0 }", "buckets.count: is missing"),
    "a single even bucket": ("[4.0, 6.5, 13.0]", "{ first = 4.0, last = 13.0, count = 1 }", "buckets.count"),
    "buckets of a normalised number": ("buckets = [4.0,", "log = true, buckets = [4.0,", "drop log and normalize"),
    "an empty clip": ("clip = [18.0, 80.0]", "clip = [80.0, 18.0]", "age: clip must be"),
    "an exclusion of no sequence": ('exclude = ["basket"]', 'exclude = ["city"]', "exclude names 'city'.*'basket'"),
    "a sequence of items' own": ('picture", kind = "pretrained", dim = 5', 'seq", kind = "sequence"', "side 'user' or"),
    "a fact of the moment of a user": (
        'name = "age", kind = "numeric",',
        'name = "age", kind = "numeric", source = "session_value",',
        "age: session_value describes the moment of the request: set side = 'context'",
    ),
    "an hour as text": ('dtype = "int", source = "hour"', 'source = "hour"', "hour is a number: set dtype = 'int'"),
    "a time split without times": ("[log]", "[log]\ntime_unit = 'order'", "only an order"),
    "a missing column role": ('item = "item"\n', "", "log.columns.item: is missing, add it"),
    "histories without users": ('user = "user"\n', "", "recent: recent is of a user's earlier .* names no user"),
    "a format of numbers": ("[log]", "[log]\ntime_unit = 's'\ntime_format = '%Y'", "time_format reads text, time_unit"),
    "no kind": (CITY, 'name = "city",', "features.'city': has no kind: give kind = one of 'categorical', "),
    "a number for a table": (
        '"distilbert"',
        "3",
        r"encoder.type: seen 3, expected 'mean', 't5'",
    ),
    "a text for a list": (
        'exclude = ["basket"]',
        "exclude = 'basket'",
        "exclude: seen 'basket', expected a list",
    ),
    "a zone too few": (ZONES, "timezone = ['UTC']", r"log.timezone: seen \['UTC'\], expected a value more"),
    "a zone too many": (
        ZONES,
        "timezone = ['a', 'b', 'c']",
        "log.timezone: seen .*, expected 2 values at most",
    ),
    "a word for a number": ("max_length = 8", "max_length = 'x'", "max_length: seen 'x', expected a whole number"),
    "a fraction of a length": ("max_length = 8", "max_length = 1.5", "max_length: seen 1.5, expected a whole number"),
    "a number for a text": (CITY, f"{CITY} column = 3,", "features.'city'.column: seen 3, expected text in quotes"),
    "a word for a yes": ("normalize = true", "normalize = 'so'", "normalize: seen 'so', expected true or false"),
    "an unknown unit": ("[log]", "[log]\ntime_unit = 'h'", "log.time_unit: seen 'h', expected 'timestamp', 's'"),
    "a number that is none": (
        "fill = 12.0",
        "fill = nan",
        "features.'temperature'.fill: seen nan, expected a finite",
    ),
    "an endless sequence": ("max_length = 8", "max_length = 99999999999999999999", "seen 9{20}, expected 4096 at most"),
    "a wide embedding": ("embedding_dim = 16", "embedding_dim = 99999", "embedding_dim: seen 99999, expected 4096 at"),
    "a wide vector": ("dim = 3", "dim = 99999", "features.'mood'.dim: seen 99999, expected 16384 at most"),
    "many buckets": (
        "[4.0, 6.5, 13.0]",
        "{ first = 4.0, last = 13.0, count = 9999 }",
        "buckets.count: seen 9999",
    ),
    "a column without a name": (
        'user = "user"',
        'user = ""',
        "columns.user: is empty: give a text, or drop the key",
    ),
    "a column of two roles": (
        'user = "user"',
        'user = "item"',
        "column 'item' is both user and item: name a col",
    ),
    "a wide separator": ("[log]", "[log]\nseparator = '§'", "log.separator: seen '§', expected one ASCII character"),
    "a separator of two": ("[log]", "[log]\nseparator = '||'", r"log.separator: seen '\|\|', expected one ASCII"),
    "a quote that separates": (
        "[log]",
        "[log]\nseparator = '\"'",
        "log.separator: seen '\"', expected one ASCII",
    ),
    "a choice in a session of what is one value": (
        CITY,
        f"{CITY} in_session = 'last',",
        "city: in_session is only for context columns: drop it",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_schema_may_not_say_is_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in schema_toml()
    with pytest.raises(SchemaError, match=message) as raised:
        load_schema(write(tmp_path, schema_toml().replace(old, new, 1)))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", sorted(TENSOR_NAMES))
def test_a_request_feature_may_not_be_named_as_a_tensor_of_the_served_models(tmp_path: Path, name: str) -> None:
    text = schema_toml().replace('name = "item_id"', 'name = "sku"')
    text = text.replace(CITY, f'name = "{name}", column = "city", kind = "categorical",')
    with pytest.raises(SchemaError, match=rf"'{name}' is the name of a tensor .*: rename .*\(column = 'city'\)"):
        load_schema(write(tmp_path, text))


def test_an_item_feature_may_be_named_as_a_tensor_of_the_served_models(tmp_path: Path) -> None:
    text = schema_toml().replace('name = "brand"', 'name = "score", column = "brand"')
    assert "score" in {feature.name for feature in load_schema(write(tmp_path, text)).item_features}


def test_a_clock_feature_of_a_log_that_is_only_ordered_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, schema_toml())
    changes = Changes(log={"time_unit": "order"}, split={"kind": "leave_one_out"})
    with pytest.raises(SchemaError, match=r"only an order, .* real times: drop the feature, or leave out time_unit"):
        load_schema(path, changes)


def test_a_role_may_be_named_once() -> None:
    with pytest.raises(ChangeError, match="--columns: user is given twice, as 'who' and 'whom': give it once"):
        Changes(columns="user=who,user=whom").of({})
    with pytest.raises(SchemaError, match=r"generic: log.columns: column 'x' is both user and item: .*--columns user="):
        load_schema("generic").changed(Changes(columns="user=x,item=x"))


LOG = "log = { columns = { user = 'u', item = 'i', time = 't' } }"


def test_a_table_or_a_feature_of_another_type_is_refused_in_plain_words(tmp_path: Path) -> None:
    rest = f"name = 'x'\n{LOG}\nfeatures = []\n"
    for old, new, message in (
        (LOG, "log = 'here'", "log: seen 'here', expected a table: correct it"),
        ("features = []", "features = 'all'", "features: seen 'all', expected a list: correct it"),
        ("features = []", "features = [3]", "features.0: seen 3, expected a table: correct it"),
    ):
        with pytest.raises(SchemaError, match=message):
            load_schema(write(tmp_path, rest.replace(old, new)))
