"""Two stages answer like torch over the candidates, and like `recommend` if all items are candidates."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper

from export.commands.any_family import Wanted, export_any, refresh_any, verify_any
from export.data.golden import Arrays, Row, read_item_ids, request_tensors
from export.errors import GraphError, ParityError, RepositoryError
from export.families.retrieve_and_rank.hops import compare_found
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED
from export.families.retrieve_and_rank.plan import own_items as own_items_of
from export.families.retrieve_and_rank.reference import GOLDEN
from export.parity.answers import read_reference
from export.parity.local import LocalRepository
from preprocessing.schema import SchemaError, read_fitted
from tests import exported, two_tower
from tests.output_folders import is_wholly_listed
from tests.synthetic import fitted_data
from tests.two_stages import OWN, RETRIEVED, TOP_K, export, repository

TOLERANCE = 1e-4
LEAN = {"reference_path": False, "stored": False}


def golden(data: Path, folder: Path) -> list[Row]:
    return read_reference(read_fitted(data).schema_.request_features, folder, GOLDEN).rows


def ask(local: LocalRepository, model: str, rows: list[Row], exclude: tuple[str, ...] | None = ("",)) -> Arrays:
    arrays = request_tensors(read_fitted(local.folder).schema_.request_features, rows)
    if exclude is not None:
        arrays["exclude"] = np.array([[item.encode() for item in exclude]] * len(rows), dtype=np.object_)
    return local.run(model, arrays)


def own_items(row: Row) -> set[str]:
    # What a sequence holds beyond its longest is cut at the front.
    return {*(row["recent"] or [])[-8:], *(row["frequent"] or [])[-6:]}


def test_with_the_whole_catalogue_as_candidates_the_chain_recommends_what_recommend_does(
    compiled_data: Path, tmp_path: Path
) -> None:
    export(compiled_data, tmp_path / "whole", candidates=10_000, **LEAN)
    local, rows = LocalRepository(tmp_path / "whole"), golden(compiled_data, tmp_path / "whole")
    for place, row in enumerate(rows):
        chain = RETRIEVE_AND_RANK_FUSED if place % 2 else RETRIEVE_AND_RANK
        ranked, recommended = ask(local, chain, [row]), ask(local, "recommend", [row], None)
        np.testing.assert_allclose(ranked["score"], recommended["score"], atol=TOLERANCE)
        assert ranked["item_id"].tolist() == recommended["item_id"].tolist()


@pytest.mark.parametrize(("format", "index"), two_tower.EXPORTS)
def test_only_retrieved_items_and_the_user_s_own_are_recommended_and_all_alike_in_a_batch(
    compiled_data: Path, format: str, index: str
) -> None:
    local = LocalRepository(repository(compiled_data, format, index))
    rows = [row for row in golden(compiled_data, local.folder)[20:36] if row["recent"]]
    together, own_won = ask(local, RETRIEVE_AND_RANK, rows), 0
    for place, row in enumerate(rows):
        alone = ask(local, RETRIEVE_AND_RANK, [row])
        assert together["item_id"][place].tolist() == alone["item_id"][0].tolist()
        retrieved = set(ask(local, "retrieve", [row])["item_id"][0].tolist())
        found = {item for item in alone["item_id"][0].tolist() if item}
        own_won += len(found - retrieved)
        assert len(found) == TOP_K
        # `retrieve` shows the first K of what the ranker is given.
        assert len(found - retrieved - own_items(row)) <= RETRIEVED - TOP_K
    assert own_won > 0, "no answer was worth the user's own items: the test shows nothing"


@pytest.mark.parametrize(("format", "index"), two_tower.EXPORTS)
def test_what_a_request_leaves_out_is_not_recommended_even_if_it_is_the_user_s_own(
    compiled_data: Path, format: str, index: str
) -> None:
    local = LocalRepository(repository(compiled_data, format, index))
    row = next(row for row in golden(compiled_data, local.folder)[20:] if row["recent"] and row["basket"])
    before = ask(local, RETRIEVE_AND_RANK, [row])["item_id"][0].tolist()
    assert not set(before) & set(row["basket"])
    left_out = (*before[:3], *own_items(row), "never seen")
    after = [item for item in ask(local, RETRIEVE_AND_RANK, [row], left_out)["item_id"][0].tolist() if item]
    assert after
    assert not set(after) & set(left_out)


def test_refreshed_vectors_give_the_ranker_other_candidates_and_leave_the_ranker_alone(
    compiled_data: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    data = shutil.copytree(compiled_data, tmp_path / "data")
    table = pd.read_parquet(data / "items.parquet")
    table["price"] = table["price"].fillna(1.0) * np.where(np.arange(len(table)) % 2, 90.0, 1.0)
    table.to_parquet(data / "items.parquet", index=False)
    before, features = golden_candidates(compiled_data, folder), read_fitted(data).schema_.request_features
    ranker = (folder / CANDIDATE_RANKER / "1" / "model.onnx").read_bytes()
    result = refresh_any(folder, data)
    assert result["two_tower"]["refreshed"]
    assert (golden_candidates(compiled_data, folder) != before).any()
    assert (folder / CANDIDATE_RANKER / "1" / "model.onnx").read_bytes() == ranker
    original = repository(compiled_data, "onnx", "exact")
    assert len(read_reference(features, original, GOLDEN).rows) == len(before), "the copy was written in place"
    assert max(verify_any(folder, data)["differences"].values()) < TOLERANCE
    assert is_wholly_listed(folder)


def golden_candidates(data: Path, folder: Path) -> np.ndarray:
    return read_reference(read_fitted(data).schema_.request_features, folder, GOLDEN).answers["candidates"]


def test_a_ranker_that_is_not_torch_s_is_refused_by_name(compiled_data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    path = folder / CANDIDATE_RANKER / "1" / "model.onnx"
    model = onnx.load(path)
    tensors = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    largest = max(tensors, key=lambda each: int(np.prod(each.dims)))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) + np.float32(0.1), largest.name))
    onnx.save(model, path)
    # A verify that wrote what it found of the families before it came to the ranker would hide this.
    before = (folder / "verify.json").read_text().replace('"onnxruntime": "', '"onnxruntime": "0.')
    (folder / "verify.json").write_text(before)
    with pytest.raises(ParityError, match=r"candidate_ranker: score differs from the trained model by"):
        verify_any(folder, compiled_data)
    assert (folder / "verify.json").read_text() == before


def test_an_approximate_answer_may_lack_an_item_but_hold_no_wrong_score_nor_an_item_twice() -> None:
    ids = np.arange(3, 43, dtype=np.int64)[None]
    expected = {"item_ids": ids, "score": np.linspace(4, 1, 40, dtype=np.float32)[None]}
    other = ids.copy()
    other[0, 39] = 99
    assert compare_found("chain", expected, other, expected["score"]) == 0
    other[0, 30:] = np.arange(99, 109)
    with pytest.raises(ParityError, match="finds 30 of 40 items"):
        compare_found("chain", expected, other, expected["score"])
    with pytest.raises(ParityError, match=r"score differs from the trained model by 0\.5"):
        compare_found("chain", expected, ids, expected["score"] + np.float32(0.5))
    with pytest.raises(ParityError, match="an item occurs twice"):
        compare_found("chain", expected, np.full_like(ids, 3), expected["score"])


def test_models_that_do_not_go_together_are_refused_in_one_line(compiled_data: Path, tmp_path: Path) -> None:
    ranker, retriever = (str(family.checkpoint(compiled_data)) for family in (exported, two_tower))
    options = {"top_k": TOP_K}
    for wanted, message in (
        (Wanted(retriever, ranker), r"--model .*: is a model of family two_tower, give one of offline_online"),
        (Wanted(ranker, ranker), r"--retriever .*: is a model of family offline_online, give one of two_tower"),
        (Wanted(ranker, candidates=50), r"--candidates 50: nothing retrieves them: give --retriever a model"),
        (Wanted(ranker, retriever, candidates=18), rf"--candidates 18: up to {OWN} are the user's own .* at least 19"),
    ):
        with pytest.raises(GraphError, match=message):
            export_any(wanted, compiled_data, tmp_path / "out", options)
    other = shutil.copytree(retriever, tmp_path / "other")
    fitted = read_fitted(other).model_copy(update={"boundaries": {}}).sealed()
    (other / "schema.json").write_text(fitted.model_dump_json(by_alias=True))
    with pytest.raises(SchemaError, match=r"the model in .*other was made with schema digest"):
        export_any(Wanted(ranker, str(other)), compiled_data, tmp_path / "out", options)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_repository_without_an_index_cannot_be_refreshed(compiled_data: Path) -> None:
    with pytest.raises(RepositoryError, match="has no item index: give the repository of a two_tower model"):
        refresh_any(exported.repository(compiled_data, "onnx"), compiled_data)


def test_the_user_s_own_items_are_those_that_the_schema_lets_repeat(compiled_data: Path) -> None:
    assert own_items_of(read_fitted(compiled_data).schema_) == OWN
    assert len(read_item_ids(compiled_data)) - 3 > OWN + RETRIEVED, "the catalogue is larger than the candidates"


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
def test_nothing_to_leave_out_may_be_sent_as_a_list_without_a_place(
    compiled_data: Path, tmp_path: Path, format: str
) -> None:
    export(compiled_data, tmp_path / "out", format=format, index="exact", **LEAN, exclude_seen=False)
    local = LocalRepository(tmp_path / "out")
    rows = golden(compiled_data, local.folder)[20:24]
    blank = ask(local, RETRIEVE_AND_RANK, rows)
    for chain in filter(local.holds, (RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED)):
        nothing = ask(local, chain, rows, ())
        assert nothing["item_id"].tolist() == blank["item_id"].tolist()
        assert np.isfinite(nothing["score"]).all()


def test_without_sequences_that_repeat_only_what_was_retrieved_is_ranked(tmp_path: Path) -> None:
    data = fitted_data(tmp_path / "plain", texts=False, repeats=False)
    result = export(data, tmp_path / "out", **LEAN, candidates=RETRIEVED)
    assert result["retrieved"] == RETRIEVED
    assert max(result["offline_online"]["differences"].values()) < TOLERANCE
    local = LocalRepository(tmp_path / "out")
    for row in golden(data, local.folder)[20:26]:
        found = ask(local, RETRIEVE_AND_RANK, [row])["item_id"][0].tolist()
        candidates = ask(local, "retrieve", [row])["item_id"][0].tolist()
        assert len(set(found) - set(candidates)) <= RETRIEVED - TOP_K
