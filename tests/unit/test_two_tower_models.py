"""The two towers: built from the schema alone, of length 1, each loadable and exportable alone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from preprocessing.schema import FittedSchema, parse_schema, read_fitted
from tests.lively import lively_model
from training.checkpoint import CheckpointError, load, load_whole, save
from training.examples.moments import SplitData
from training.families import NAMES
from training.families.offline_online.config import OfflineOnlineConfig
from training.families.offline_online.model import OfflineOnline
from training.families.two_tower.config import TwoTowerConfig
from training.families.two_tower.model import ItemTower, TwoTower, UserTower

CONFIG = TwoTowerConfig(dim=12)


@pytest.fixture(scope="module")
def fitted(synthetic_data: Path) -> FittedSchema:
    return read_fitted(synthetic_data)


@pytest.fixture(scope="module")
def rows(synthetic_data: Path, fitted: FittedSchema) -> dict[str, torch.Tensor]:
    return SplitData(synthetic_data, "train", fitted).batch(np.arange(32)).features


def changed(value: torch.Tensor) -> torch.Tensor:
    """Other values everywhere but in the padding of lists."""
    if value.is_floating_point():
        return value + 1.0
    other = torch.where(value == 1, 2, 1)
    return torch.where(value == 0, 0, other) if value.dim() == 2 else other


def test_both_towers_give_vectors_of_length_1_and_their_cosine_is_the_score(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    with torch.no_grad():
        users, items, scores = model.user(rows), model.catalogue(), model(rows)
    assert users.shape == (32, 12)
    assert items.shape == (fitted.items, 12)
    assert torch.allclose(users.norm(dim=1), torch.ones(32), atol=1e-5)
    assert torch.allclose(items.norm(dim=1), torch.ones(fitted.items), atol=1e-5)
    assert torch.equal(scores, users @ items.T)


def test_every_feature_of_a_side_reaches_its_tower(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    items = model.index.rows(torch.arange(fitted.items))
    assert set(rows) == {feature.name for feature in fitted.schema_.request_features}
    with torch.no_grad():
        users, vectors = model.user(rows), model.item(items)
        for name, value in rows.items():
            assert not torch.equal(users, model.user({**rows, name: changed(value)})), name
        for name, value in items.items():
            assert not torch.equal(vectors, model.item({**items, name: changed(value)})), name


def test_a_schema_of_two_ids_alone_makes_two_towers_without_item_vectors(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    body = fitted.schema_.model_dump()
    body["features"] = [each for each in body["features"] if each["name"] in ("user_id", "item_id")]
    body["exclude"] = []
    ids = fitted.model_copy(update={"schema_": parse_schema(body, "ids")})
    model = lively_model(synthetic_data, ids, CONFIG)
    assert model.user.items is None
    with torch.no_grad():
        assert model({"user_id": rows["user_id"]}).shape == (32, fitted.items)


def test_each_tower_loads_alone_and_gives_the_same_bits(
    tmp_path: Path, synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    data = shutil.copytree(synthetic_data, tmp_path / "data")
    model = lively_model(data, fitted, CONFIG)
    items = model.index.rows(torch.arange(fitted.items))
    with torch.no_grad():
        scores, users, vectors = model(rows), model.user(rows), model.item(items)
    for part in ("two_tower", "user_tower", "item_tower"):
        folder = tmp_path / part
        folder.mkdir()
        save(model, CONFIG, data, folder)
        for other in {"two_tower", "user_tower", "item_tower"} - {part}:
            (folder / f"{other}.safetensors").unlink()
    shutil.rmtree(data)
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "two_tower", TwoTower)(rows), scores)
        assert torch.equal(load(tmp_path / "user_tower", UserTower)(rows), users)
        assert torch.equal(load(tmp_path / "item_tower", ItemTower)(items), vectors)


def test_a_part_of_the_other_family_is_refused_by_name(
    tmp_path: Path, synthetic_data: Path, fitted: FittedSchema
) -> None:
    save(lively_model(synthetic_data, fitted, CONFIG), CONFIG, synthetic_data, tmp_path)
    assert isinstance(load_whole(tmp_path), TwoTower)
    with pytest.raises(CheckpointError, match=r"two_tower \(TwoTower, UserTower, ItemTower\), not OfflineOnline"):
        load(tmp_path, OfflineOnline)
    (tmp_path / "model.json").write_text('{"family": "tree"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=f"family 'tree' is not one of {', '.join(NAMES)}: train again"):
        load(tmp_path, TwoTower)
    (tmp_path / "model.json").write_text(OfflineOnlineConfig().model_dump_json(exclude={"family"}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"family offline_online \(OfflineOnline, .*\), not UserTower"):
        load(tmp_path, UserTower)


def test_an_unknown_user_and_an_item_without_text_have_vectors(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    nobody = {
        name: torch.zeros_like(value[:1]) if value.dim() == 2 or value.is_floating_point() else torch.ones(1).long()
        for name, value in rows.items()
    }
    index = model.index.rows(torch.arange(fitted.items))
    plain = {**index, "description": torch.zeros_like(index["description"])}
    with torch.no_grad():
        for vectors in (model.user(nobody), model.item(plain)):
            assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)


class Positional(torch.nn.Module):
    """A tower whose features come one after the other, as a served graph's do."""

    def __init__(self, tower: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.tower, self.names = tower, names

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.tower(dict(zip(self.names, values, strict=True)))
        return vectors


@pytest.mark.filterwarnings("ignore")
def test_traced_towers_take_other_batches_than_they_were_traced_with(
    synthetic_data: Path, fitted: FittedSchema, rows: dict[str, torch.Tensor]
) -> None:
    model = lively_model(synthetic_data, fitted, CONFIG)
    items = model.index.rows(torch.arange(fitted.items))
    for tower, features in ((model.user, rows), (model.item, items)):
        with torch.no_grad():
            few = tuple(value[:3] for value in features.values())
            traced = torch.jit.trace(Positional(tower, list(features)), few, check_trace=False)
            assert torch.allclose(traced(*features.values()), tower(features), atol=1e-6)
