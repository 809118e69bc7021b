"""The feature schema: its TOML, changes from the command line, and the digest of a fit."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from preprocessing.changes import ChangeError, Changes
from preprocessing.declared import parse_schema
from preprocessing.log_layout import Log
from preprocessing.schema import (
    SCHEMA_FOLDER,
    FittedSchema,
    Numeric,
    Schema,
    SchemaError,
    Sequence,
    load_schema,
    read_fitted,
    require_same_digest,
)
from tests.synthetic import schema_toml


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(file.stem for file in SCHEMA_FOLDER.glob("*.toml")))
def test_every_shipped_schema_is_valid_and_says_what_it_is(name: str) -> None:
    schema = load_schema(name)
    assert schema.name == name
    assert schema.description
    assert schema.item_id.side == "item"
    features = schema.request_features
    of_histories = not features or any(isinstance(feature, Sequence) for feature in features)
    assert schema.split.kind == "random" or of_histories


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("complete_journey", "655837409ca5c220"),
        ("generic", "9093ec933d02b772"),
        ("movielens", "99cf4cffa1d4cda5"),
        ("movielens_ids", "8eb7a93bb6b0a5a6"),
        ("movielens_side", "57da04694e3a9982"),
        ("online_retail", "d3a5e143b3cf8eb5"),
        ("sessions", "3e5662f2fd2ad290"),
    ],
)
def test_a_shipped_schema_is_written_to_the_byte_as_before(name: str, written: str) -> None:
    """Digests of fits are made of it: with other bytes every model and repository would be refused."""
    assert hashlib.sha256(load_schema(name).model_dump_json().encode()).hexdigest()[:16] == written


def test_the_default_schema_has_the_features_that_a_grocer_knows() -> None:
    schema = load_schema("complete_journey")
    online = {feature.name for feature in schema.stage("online")}
    assert online == {"basket_items", "store_id", "hour", "weekday", "basket_value", "days_since_last_visit"}
    offline = {feature.name for feature in schema.stage("offline")}
    assert {"household_id", "income", "kids_count", "recent_items", "frequent_items"} <= offline
    assert {f.name for f in schema.item_features} == {
        "department",
        "product_category",
        "product_type",
        "brand",
        "package_size",
    }


def test_a_feature_moves_between_stages_by_its_stage_alone(tmp_path: Path) -> None:
    moved = schema_toml().replace(
        'name = "age", kind = "numeric",', 'name = "age", kind = "numeric", stage = "online",'
    )
    moved = moved.replace('normalize = true, side = "user", stage = "offline"', 'normalize = true, side = "user"')
    assert "age" in {feature.name for feature in load_schema(write(tmp_path, schema_toml())).stage("offline")}
    assert "age" in {feature.name for feature in load_schema(write(tmp_path, moved)).stage("online")}


def test_a_schema_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"no schema 'nope'.*complete_journey, .*generic, movielens, .*online_retail"):
        load_schema("nope")
    with pytest.raises(SchemaError, match=r"gone\.toml: No such file.*give the path"):
        load_schema(tmp_path / "gone.toml")
    with pytest.raises(SchemaError, match="directory"):
        load_schema(tmp_path.rename(tmp_path.with_suffix(".toml")))


def test_columns_of_the_log_are_renamed_with_the_features_that_read_them() -> None:
    schema = load_schema("generic").changed(Changes(columns="user=who, item=what,time=when,session=visit"))
    columns = schema.log.columns
    assert (columns.user, columns.item, columns.time, columns.session) == ("who", "what", "when", "visit")
    assert {f.name: f.raw_column for f in schema.features if f.column} == {"user_id": "who", "item_id": "what"}
    for mapping in ("customer=who", "user", "user=", "user=who,,"):
        with pytest.raises(ChangeError, match=r"--columns: '.*' is not ROLE=NAME, the roles are user, item, time"):
            load_schema("generic").changed(Changes(columns=mapping))


def test_another_split_is_checked_against_the_log() -> None:
    assert load_schema("complete_journey").with_split("leave_one_out").split.kind == "leave_one_out"
    body: dict[str, Any] = load_schema("generic").model_dump()
    body["log"]["time_unit"], body["split"]["kind"] = "order", "leave_one_out"
    body["features"] = [f for f in body["features"] if f["side"] != "context"]
    with pytest.raises(SchemaError, match=r"'leave_one_out' \(--split leave_one_out\), or 'sessions' .* if it orders"):
        Schema.model_validate(body).with_split("time")


def test_a_log_without_users_is_refused_by_the_splits_that_it_can_have() -> None:
    schema = load_schema("sessions")
    with pytest.raises(
        SchemaError, match=r"split kind 'leave_one_out' needs users, .*: use split kind 'time', 'sessions' or 'random'"
    ):
        schema.with_split("leave_one_out")
    body = schema.model_dump()
    body["features"] = [feature for feature in body["features"] if feature["name"] not in ("hour", "weekday")]
    body["log"]["time_unit"] = "order"
    with pytest.raises(SchemaError, match=r"only an order: use split kind 'sessions' \(--split sessions\)$"):
        parse_schema(body, "orders")
    with pytest.raises(
        SchemaError, match=r"split kind 'leave_one_out' needs users, .*: use split kind 'sessions' or 'random'"
    ):
        parse_schema({**body, "split": {"kind": "leave_one_out"}}, "orders")
    assert parse_schema({**body, "split": {"kind": "sessions"}}, "orders").split.kind == "sessions"


def test_a_schema_is_checked_after_the_command_line_has_changed_it(tmp_path: Path) -> None:
    order = "name = 'order'\n[log]\ntime_unit = 'order'\ncolumns = { user = 'u', item = 'i', time = 't' }\n" + (
        "[[features]]\nname = 'recent'\nkind = 'sequence'\nside = 'user'\n"
        "[[features]]\nname = 'item_id'\ncolumn = 'i'\nkind = 'categorical'\nside = 'item'\n"
    )
    path = write(tmp_path, order)
    with pytest.raises(SchemaError, match=r"only an order: use split kind 'leave_one_out' \(--split leave_one_out\)"):
        load_schema(path)
    assert load_schema(path, Changes(split={"kind": "leave_one_out"})).split.kind == "leave_one_out"
    clock = load_schema(path, Changes(columns="item=sku", log={"time_unit": "ms"}))
    assert (clock.log.time_unit, clock.item_id.raw_column) == ("ms", "sku")


def test_a_schema_needs_no_request_feature(tmp_path: Path) -> None:
    text = "name = 'x'\n[log]\ncolumns = { user = 'u', item = 'i', time = 't' }\n" + (
        "[[features]]\nname = 'item_id'\ncolumn = 'i'\nkind = 'categorical'\nside = 'item'\n"
    )
    assert load_schema(write(tmp_path, text)).request_features == ()


def test_keys_that_are_not_used_do_not_change_a_digest() -> None:
    body = fitted_schema().model_dump(mode="json", by_alias=True)["schema"]
    assert not set(body["log"]) & set(Log.added_later)
    assert all("in_session" not in feature for feature in body["features"])
    used = Log.model_validate({**body["log"], "null_values": ["NA"]})
    assert used.model_dump()["null_values"] == ("NA",)


def fitted_schema(**changes: Any) -> FittedSchema:
    schema = Schema.model_validate(tomllib.loads(schema_toml()))
    return FittedSchema(schema_=schema, **{"learned": {}, "items": 9, **changes}).sealed()


def test_a_fitted_schema_reads_back_as_it_was_written(tmp_path: Path) -> None:
    fitted = fitted_schema(
        boundaries={"test": "2024-01-01"}, learned={"age": {"statistics": {"mean": 0.1, "std": 1 / 3}}}
    )
    (tmp_path / "schema.json").write_text(fitted.model_dump_json(by_alias=True), encoding="utf-8")
    assert read_fitted(tmp_path) == fitted


def test_the_digest_differs_between_fits_and_is_the_same_for_the_same_fit() -> None:
    digests = {fitted_schema().digest, fitted_schema(items=10).digest, fitted_schema(vocabularies={"a": "b"}).digest}
    assert len(digests) == 3
    assert fitted_schema().digest in digests
    with pytest.raises(
        SchemaError, match=r"model was made with schema digest \w+, the data has \w+: use the folders of"
    ):
        require_same_digest(fitted_schema(), fitted_schema(items=10), "model")


def test_an_edited_schema_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    body = json.loads(fitted_schema().model_dump_json(by_alias=True))
    body["schema"]["features"][0]["embedding_dim"] = 99
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(
        SchemaError, match=r"schema\.json: digest \w+ does not match the content: the file was edited, run the fit"
    ):
        read_fitted(tmp_path)
    path.write_text(json.dumps({**body, "extra": 1}), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"extra: unknown key.*run the fit again"):
        read_fitted(tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SchemaError, match="is not JSON"):
        read_fitted(tmp_path)
    path.unlink()
    with pytest.raises(SchemaError, match=r"no schema\.json in .*give the output folder of an earlier stage"):
        read_fitted(tmp_path)


def test_a_feature_without_ids_has_no_cardinality() -> None:
    with pytest.raises(SchemaError, match="age: has no ids"):
        fitted_schema(learned={"age": {"statistics": {}}}).cardinality("age")
    with pytest.raises(SchemaError, match="taste: has no ids"):
        fitted_schema().cardinality("taste")


def test_a_sequence_has_the_ids_of_the_items() -> None:
    assert [fitted_schema().cardinality(name) for name in ("recent", "basket", "item_id")] == [9, 9, 9]


def test_even_buckets_stand_for_the_boundaries_that_they_name() -> None:
    body = {"name": "age", "kind": "numeric", "side": "user", "buckets": {"first": 10.0, "last": 40.0, "count": 4}}
    assert Numeric.model_validate(body).buckets == (10.0, 20.0, 30.0, 40.0)
