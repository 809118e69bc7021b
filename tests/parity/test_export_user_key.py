"""The user of a request to `recommend_stored`: a feature that is the log's user column, else `user_id`."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.data.golden import null_row, request_tensors
from export.errors import GraphError
from export.families.offline_online.plan import RECOMMEND
from export.families.offline_online.stored.models import RECOMMEND_STORED
from export.parity.local import LocalRepository
from preprocessing.fit import fit
from preprocessing.schema import load_schema, read_fitted
from tests.exported import checkpoint, export
from tests.synthetic import write_log


def schema_of(log: Path, *changes: tuple[str, str]) -> Any:
    text = (log / "schema.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (log / "schema.toml").write_text(text, encoding="utf-8")
    return load_schema(log / "schema.toml")


def test_a_schema_without_the_user_s_own_id_has_it_beside_the_features(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", texts=False)
    own_id = '{ name = "user_id", column = "user", kind = "categorical", embedding_dim = 8, side = "user", stage = "off'
    fit(schema_of(log, (own_id, own_id.replace('"user_id", column = "user"', '"home", column = "city"'))), log,
        tmp_path / "data")  # fmt: skip
    folder = tmp_path / "repository"
    data = tmp_path / "data"
    export(checkpoint(data), data, folder, format="torchscript", reference_path=False)
    local, features = LocalRepository(folder), read_fitted(folder).schema_.request_features
    names = [tensor.name for tensor in local.config(RECOMMEND).inputs]
    assert [tensor.name for tensor in local.config(RECOMMEND_STORED).inputs] == ["user_id", *names]
    assert "user_id" not in names
    tensors = request_tensors(features, [null_row(features)] * 2)
    users = np.array([["usér-1".encode()], [b"never seen"]], dtype=np.object_)
    answer = local.run(RECOMMEND_STORED, {**tensors, "user_id": users})
    assert answer["source"].tolist() == [[b"stored"], [b"computed"]]


def test_a_feature_that_takes_the_name_of_the_user_s_id_is_refused_and_nothing_is_written(
    compiled_data: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(checkpoint(compiled_data), tmp_path / "model")
    data = shutil.copytree(compiled_data, tmp_path / "data")
    fitted = read_fitted(compiled_data)
    body = fitted.model_dump(mode="json", by_alias=True)
    next(each for each in body["schema"]["features"] if each["name"] == "user_id")["column"] = "city"
    other = type(fitted).model_validate(body).sealed()
    for folder in (model, data):
        (folder / "schema.json").write_text(other.model_dump_json(by_alias=True))
    with pytest.raises(GraphError, match=r"^user_id: .*: rename the feature in the schema, or export with --no-st"):
        export(model, data, tmp_path / "out", reference_path=False)
    assert not (tmp_path / "out").exists()
