"""The offline_online family: whole equals parts, parts load alone, features move between the stages."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessing.schema import FittedSchema, SchemaError, parse_schema, read_fitted
from stage.version import naiad_version
from tests.lively import lively_model
from training.checkpoint import CheckpointError, load, read_config, save
from training.examples.moments import SplitData
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OnlineRanker

CONFIG = OfflineOnlineConfig(dim=16, hidden=24)


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def rows(synthetic_data: Path, fitted: FittedSchema) -> dict[str, torch.Tensor]:
    data = SplitData(synthetic_data, "train", fitted)
    return data.batch(np.arange(min(len(data), 32))).features


def test_the_whole_model_is_the_offline_part_then_the_online_part(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    with torch.no_grad():
        assert torch.equal(model(rows), model.online(model.offline(rows), rows))


def test_each_part_loads_alone_and_gives_the_same_bits(
    tmp_path: Path, synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    data = shutil.copytree(synthetic_data, tmp_path / "data")
    model = lively_model(data, fitted, CONFIG)
    with torch.no_grad():
        before, state = model(rows), model.offline(rows)
    for part in ("whole", "offline", "online"):
        folder = tmp_path / part
        folder.mkdir()
        save(model, CONFIG, data, folder)
        for other in {"whole", "offline", "online"} - {part}:
            (folder / f"{other}.safetensors").unlink()
    shutil.rmtree(data)
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "whole", OfflineOnline)(rows), before)
        loaded = load(tmp_path / "offline", OfflineEncoder)(rows)
        assert all(torch.equal(a, b) for a, b in zip(loaded, state, strict=True))
        assert torch.equal(load(tmp_path / "online", OnlineRanker)(state, rows), before)


def test_a_feature_moves_between_the_stages_by_the_schema_alone(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    for feature in fitted.schema_.request_features:
        body = fitted.schema_.model_dump()
        moved = next(f for f in body["features"] if f["name"] == feature.name)
        moved["stage"] = "online" if feature.stage == "offline" else "offline"
        other = fitted.model_copy(update={"schema_": parse_schema(body, "moved")})
        model = lively_model(synthetic_data, other, CONFIG)
        with torch.no_grad():
            scores = model(rows)
            changed = dict(rows)
            value = rows[feature.name]
            changed[feature.name] = value + 1.0 if value.is_floating_point() else torch.where(value == 0, 0, 2)
            assert scores.shape == (len(scores), fitted.items)
            assert not torch.equal(scores, model(changed)), f"{feature.name} does not reach the scores from {moved}"


def test_a_row_does_not_depend_on_the_batch_that_it_is_in(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    with torch.no_grad():
        together = model(rows)
        alone = model({name: value[3:4] for name, value in rows.items()})
    assert torch.allclose(together[3:4], alone, atol=1e-4)


def test_a_folder_without_a_model_is_named(tmp_path: Path, synthetic_data: Path) -> None:
    with pytest.raises(SchemaError, match=r"no schema\.json"):
        load(tmp_path, OfflineOnline)
    shutil.copy(synthetic_data / "schema.json", tmp_path)
    with pytest.raises(CheckpointError, match=r"no model\.json in .*training fit"):
        load(tmp_path, OfflineOnline)


def test_a_model_folder_holds_no_pickle_and_says_which_version_wrote_it(
    tmp_path: Path, synthetic_data: Path, fitted: FittedSchema
) -> None:
    save(lively_model(synthetic_data, fitted, CONFIG), CONFIG, synthetic_data, tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {
        *("schema.json", "model.json", "items.parquet", "item_index.parquet", "popular.parquet"),
        *("whole.safetensors", "offline.safetensors", "online.safetensors"),
    }
    body = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert body == {**CONFIG.model_dump(), "naiad_version": naiad_version()}


def test_a_model_of_before_loads_without_a_version_and_with_a_workflow(
    tmp_path: Path, synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    save(model, CONFIG, synthetic_data, tmp_path)
    (tmp_path / "model.json").write_text(CONFIG.model_dump_json(indent=1), encoding="utf-8")
    shutil.copytree(synthetic_data / "workflow", tmp_path / "workflow")
    with torch.no_grad():
        assert torch.equal(load(tmp_path, OfflineOnline)(rows), model(rows))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '{"family": "tree", "naiad_version": "9.1.0"}',
            r"'tree' is not one of .*: it was written by naiad 9\.1\.0, this is",
        ),
        ('{"family": ["two_tower"]}', r"\['two_tower'\] is not one of .*train again"),
        ('{"family": "two_tower", "hidden": 3, "naiad_version": "0.2.0"}', "hidden: Extra inputs are not permitted"),
        ("[1]", "is not a JSON object"),
    ],
)
def test_a_model_json_that_is_not_ours_is_refused_by_name(body: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(body, encoding="utf-8")
    with pytest.raises(CheckpointError, match=said):
        read_config(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path, synthetic_data: Path, fitted: FittedSchema) -> None:
    save(lively_model(synthetic_data, fitted, CONFIG), CONFIG, synthetic_data, tmp_path)
    (tmp_path / "model.json").write_text(OfflineOnlineConfig(dim=32, hidden=24).model_dump_json(), encoding="utf-8")
    with pytest.raises(CheckpointError, match="not the weights of this schema"):
        load(tmp_path, OfflineOnline)
