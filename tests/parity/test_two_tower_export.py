"""A two-tower repository answers as torch does, in either format and with either index."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from export.commands.items import refresh
from export.commands.opened import open_repository
from export.data.golden import Arrays, read_item_ids, request_tensors
from export.errors import ParityError, RepositoryError
from export.families.two_tower.plan import ITEM_INDEX, ITEM_TOWER, MATCH, RETRIEVE, RETRIEVE_FUSED, RETRIEVE_NVTABULAR
from export.families.two_tower.vectors import current_items
from export.parity.answers import Reference, golden_file, read_reference
from export.parity.local import LocalRepository
from preprocessing.schema import read_fitted
from tests.changed_files import change_model
from tests.exported import export
from tests.hops import check_hop
from tests.output_folders import is_wholly_listed
from tests.two_tower import EXPORTS, checkpoint, repository

TOLERANCE = 1e-4


def golden(folder: Path) -> Reference:
    return read_reference(folder / golden_file("two_tower"))


def chains(local: LocalRepository) -> list[str]:
    return [each for each in (RETRIEVE, RETRIEVE_NVTABULAR, RETRIEVE_FUSED) if local.holds(each)]


def ask(local: LocalRepository, chain: str, reference: Reference, rows: list[int], exclude: list[str]) -> Arrays:
    features = read_fitted(local.folder).schema_.request_features
    arrays = request_tensors(features, [reference.rows[row] for row in rows])
    arrays["exclude"] = np.array([[item.encode() for item in exclude] or [b""]] * len(rows), dtype=np.object_)
    return local.run(chain, arrays)


def test_hnsw_finds_what_exact_search_finds(compiled_data: Path) -> None:
    exact, hnsw = (LocalRepository(repository(compiled_data, *each)) for each in EXPORTS)
    reference = golden(exact.folder)
    rows = list(range(len(reference.rows)))
    answers = [ask(local, RETRIEVE, reference, rows, []) for local in (exact, hnsw)]
    np.testing.assert_allclose(answers[0]["score"], answers[1]["score"], atol=TOLERANCE)
    for row, other in zip(answers[0]["item_id"].tolist(), answers[1]["item_id"].tolist(), strict=True):
        assert set(row) == set(other)


@pytest.mark.parametrize(("format", "index"), EXPORTS)
def test_items_of_the_request_and_of_its_basket_are_not_retrieved(compiled_data: Path, format: str, index: str) -> None:
    local = LocalRepository(repository(compiled_data, format, index))
    reference = golden(local.folder)
    known = read_item_ids(compiled_data)[3:]
    exclude = [known[1], "never seen", "", known[4], known[1]]
    for chain in chains(local):
        answer = ask(local, chain, reference, [20, 30], exclude)
        for row, place in enumerate((20, 30)):
            left_out = {known[1], known[4]} | set(reference.rows[place]["basket"] or []).intersection(known)
            found = [item for item in answer["item_id"][row].tolist() if item]
            assert sorted(found) == sorted(set(known) - left_out)
            assert answer["score"][row, len(found) :].tolist() == [-np.inf] * len(left_out)
            assert (np.diff(answer["score"][row, : len(found)]) <= 0).all()


def test_a_user_vector_that_is_not_finite_finds_nothing_and_does_not_affect_the_others(compiled_data: Path) -> None:
    for each in EXPORTS:
        local = LocalRepository(repository(compiled_data, *each))
        reference = golden(local.folder)
        users = reference.answers["user_vector"][:3].copy()
        users[1] = np.nan
        inputs = {"user_vector": users, "exclude.encoded": np.zeros((3, 1), dtype=np.int64)}
        answer = local.run(ITEM_INDEX, inputs)
        assert answer["item_ids"][1].tolist() == [0] * answer["item_ids"].shape[1]
        assert (answer["score"][1] == -np.inf).all()
        assert (answer["item_ids"][[0, 2]] > 2).all()


def test_a_pair_with_an_unknown_id_scores_0(compiled_data: Path) -> None:
    local = LocalRepository(repository(compiled_data, "onnx", "exact"))
    item = read_item_ids(compiled_data)[5]
    pairs = [("usér-1", item), ("usér-1", "never seen"), ("nobody", item), ("", "")]
    users, items = (np.array([[each.encode()] for each in side], dtype=np.object_) for side in zip(*pairs, strict=True))
    score = local.run(MATCH, {"user_id": users, "item_id": items})["score"]
    assert score.shape == (4, 1)
    assert score[0, 0] != 0
    assert score[1:, 0].tolist() == [0, 0, 0]


@cache
def changed(data: Path) -> Path:
    """The data folder with another price for the first item, and no text for the second."""
    folder = shutil.copytree(data, data.parent / "data-changed")
    table = pd.read_parquet(folder / "items.parquet")
    table.loc[table["encoded_id"] == 3, "price"] = 900.0
    table.loc[table["encoded_id"] == 4, "description"] = None
    table.to_parquet(folder / "items.parquet", index=False)
    return folder


@pytest.mark.parametrize(("format", "index"), EXPORTS)
def test_refreshed_vectors_follow_the_item_table_and_the_rest_stays(
    tmp_path: Path, compiled_data: Path, format: str, index: str
) -> None:
    folder = shutil.copytree(repository(compiled_data, format, index), tmp_path / "repository")
    before = np.load(folder / "item_vectors.npy")
    result = refresh(folder, changed(compiled_data))
    after = np.load(folder / "item_vectors.npy")
    apart = np.abs(after - before).max(axis=1)
    assert apart[3] > 0.01
    assert apart[5:].max() < TOLERANCE
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), 1, atol=1e-5)
    assert result["families"]["two_tower"]["plan"]["refreshed"]
    assert result["families"]["two_tower"]["about"]["index"]["kind"] == index
    local = LocalRepository(folder)
    reference = golden(folder)
    user = reference.answers["user_vector"][:1]
    answer = local.run(ITEM_INDEX, {"user_vector": user, "exclude.encoded": np.zeros((1, 1), dtype=np.int64)})
    found = dict(zip(answer["item_ids"][0].tolist(), answer["score"][0].tolist(), strict=True))
    assert found[3] == pytest.approx(float(user[0] @ after[3]), abs=TOLERANCE)
    assert is_wholly_listed(folder)
    # The vectors of the index are the exported tower's by now; torch's of some items are kept.
    change_model(folder, ITEM_TOWER)
    with pytest.raises(ParityError, match=r"^item_tower: item_vector differs from the trained model by"):
        check_hop(folder, changed(compiled_data), ITEM_TOWER)


def test_a_changed_item_tower_is_refused_by_a_refresh_which_leaves_the_repository_as_it_was(
    tmp_path: Path, compiled_data: Path
) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    change_model(folder, ITEM_TOWER)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ParityError, match=r"^item_tower: item_vector differs from the trained model by"):
        refresh(folder, compiled_data)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_items_that_changed_after_a_refresh_are_refused_with_the_remedy(tmp_path: Path, compiled_data: Path) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    refresh(folder, compiled_data)
    message = r"^item_tower: item_vector differs from the item index by .*: run `export items` again if items.parquet"
    with pytest.raises(ParityError, match=message):
        check_hop(folder, changed(compiled_data), ITEM_TOWER)


def test_a_vector_of_another_width_is_refused_and_leaves_the_repository_as_it_was(
    tmp_path: Path, compiled_data: Path
) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    data = shutil.copytree(compiled_data, tmp_path / "data")
    table = pd.read_parquet(data / "items.parquet")
    table["picture"] = [[0.5] * 4] * len(table)
    table.to_parquet(data / "items.parquet", index=False)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RepositoryError, match="picture has a vector of 4 numbers, the schema says 5"):
        refresh(folder, data)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("price", [np.inf, -5.0])
def test_an_item_s_number_that_no_tower_can_take_is_refused_by_name(
    tmp_path: Path, compiled_data: Path, price: float
) -> None:
    data = shutil.copytree(compiled_data, tmp_path / "data")
    table = pd.read_parquet(data / "items.parquet")
    table.loc[table["encoded_id"] == 5, "price"] = price
    table.to_parquet(data / "items.parquet", index=False)
    [item] = table.loc[table["encoded_id"] == 5, "item_id"]
    said = rf"price of item '{item}' is not a finite number .*\(the table has {price:g}\): correct the item"
    with pytest.raises(RepositoryError, match=said):
        current_items(read_fitted(data), data)


def test_a_plan_with_an_index_that_is_not_known_is_refused(tmp_path: Path, compiled_data: Path) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    text = (folder / "verify.json").read_text()
    (folder / "verify.json").write_text(text.replace('"index": "exact"', '"index": "ivf"'))
    with pytest.raises(RepositoryError, match=r"verify.json: two_tower: index: .*'exact'.*: export the repository"):
        open_repository(folder)


def test_texts_in_the_request_are_served_by_nvtabular(tmp_path: Path, synthetic_data: Path) -> None:
    result = export(checkpoint(synthetic_data), synthetic_data, tmp_path / "out", format="torchscript", top_k=5)
    assert "bio" in result["not_compiled"] or "query" in result["not_compiled"]
    local = LocalRepository(tmp_path / "out")
    assert chains(local) == [RETRIEVE, RETRIEVE_NVTABULAR]
    assert local.config(RETRIEVE).outputs[0].dims == (5,)
