"""Two stages answer like torch over the candidates, and like `recommend` if all items are candidates."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.commands.opened import open_repository
from export.commands.repository import Request, export_repository
from export.data.golden import Arrays, Row, read_item_ids, request_tensors
from export.errors import GraphError, ParityError
from export.families.retrieve_and_rank.compare import compare_found
from export.families.retrieve_and_rank.plan import CANDIDATE_RANKER, RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED
from export.families.retrieve_and_rank.plan import own_items as own_items_of
from export.parity.answers import golden_file, read_reference
from export.parity.local import LocalRepository
from export.repository.options import RepositoryOptions
from preprocessing.schema import SchemaError, read_fitted
from tests import exported, two_stages, two_tower
from tests.hops import change_largest, check_hop
from tests.synthetic import fitted_data
from tests.two_stages import OWN, RETRIEVED, TOP_K, export, repository

TOLERANCE = 1e-4
GOLDEN = golden_file("retrieve_and_rank")


def golden(folder: Path) -> list[Row]:
    return read_reference(folder / GOLDEN).rows


@pytest.fixture(params=["onnx", "torchscript"])
def whole(request: pytest.FixtureRequest, compiled_data: Path) -> Path:
    return two_stages.whole(compiled_data, request.param)


def ask(local: LocalRepository, model: str, rows: list[Row], exclude: tuple[str, ...] | None = ("",)) -> Arrays:
    arrays = request_tensors(read_fitted(local.folder).schema_.request_features, rows)
    if exclude is not None:
        arrays["exclude"] = np.array([[item.encode() for item in exclude]] * len(rows), dtype=np.object_)
    return local.run(model, arrays)


def own_items(row: Row) -> set[str]:
    # What a sequence holds beyond its longest is cut at the front.
    return {*(row["recent"] or [])[-8:], *(row["frequent"] or [])[-6:]}


def test_with_the_whole_catalogue_as_candidates_the_chain_recommends_what_recommend_does(
    whole: Path,
) -> None:
    local, rows = LocalRepository(whole), golden(whole)
    chains = [each for each in (RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED) if local.holds(each)]
    for place, row in enumerate(rows):
        chain = chains[place % len(chains)]
        ranked, recommended = ask(local, chain, [row]), ask(local, "recommend", [row], None)
        np.testing.assert_allclose(ranked["score"], recommended["score"], atol=TOLERANCE)
        assert ranked["item_id"].tolist() == recommended["item_id"].tolist()


@pytest.mark.parametrize(("format", "index"), two_tower.EXPORTS)
def test_only_retrieved_items_and_the_user_s_own_are_recommended_and_all_alike_in_a_batch(
    compiled_data: Path, format: str, index: str
) -> None:
    local = LocalRepository(repository(compiled_data, format, index))
    rows = [row for row in golden(local.folder)[20:36] if row["recent"]]
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
    row = next(row for row in golden(local.folder)[20:] if row["recent"] and row["basket"])
    before = ask(local, RETRIEVE_AND_RANK, [row])["item_id"][0].tolist()
    assert not set(before) & set(row["basket"])
    left_out = (*before[:3], *own_items(row), "never seen")
    after = [item for item in ask(local, RETRIEVE_AND_RANK, [row], left_out)["item_id"][0].tolist() if item]
    assert after
    assert not set(after) & set(left_out)


def test_a_ranker_that_is_not_torch_s_is_refused_by_name(compiled_data: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(repository(compiled_data, "onnx", "exact"), tmp_path / "repository")
    change_largest(folder / CANDIDATE_RANKER / "1" / "model.onnx", by=0.1)
    with pytest.raises(ParityError, match=r"^candidate_ranker: score differs from the trained model by"):
        check_hop(folder, compiled_data, CANDIDATE_RANKER)


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
    options = RepositoryOptions(top_k=TOP_K, reference_path=False)

    def request(own: dict[str, Any], **models: str) -> Request:
        return Request(models, options, own)

    too_few = rf"--candidates 18: up to {OWN} are the user's own .* at least 19"
    for wanted, message in (
        (request({}, model=retriever, retriever=retriever), r"--model .*: is a model of family two_tower, give one of"),
        (request({}, model=ranker, retriever=ranker), r"--retriever .*: is a model of family offline_online, give one"),
        (request({"candidates": 50}, model=ranker), r"--candidates: is for retrieve_and_rank .*: give --retriever too"),
        (request({"candidates": 18}, model=ranker, retriever=retriever), too_few),
    ):
        with pytest.raises(GraphError, match=message):
            export_repository(wanted, compiled_data, tmp_path / "out")
    other = shutil.copytree(retriever, tmp_path / "other")
    fitted = read_fitted(other).model_copy(update={"boundaries": {}}).sealed()
    (other / "schema.json").write_text(fitted.model_dump_json(by_alias=True))
    with pytest.raises(SchemaError, match=r"the model in .*other was made with schema digest"):
        export_repository(request({}, model=ranker, retriever=str(other)), compiled_data, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_user_s_own_items_are_those_that_the_schema_lets_repeat(compiled_data: Path) -> None:
    assert own_items_of(read_fitted(compiled_data).schema_) == OWN
    assert len(read_item_ids(compiled_data)) - 3 > OWN + RETRIEVED, "the catalogue is larger than the candidates"


def test_verify_json_states_how_many_candidates_are_ranked_at_most(compiled_data: Path, whole: Path) -> None:
    some = repository(compiled_data, "onnx", "exact")
    stated = [open_repository(folder).plans["retrieve_and_rank"].candidates for folder in (whole, some)]
    assert stated == [len(read_item_ids(compiled_data)) - 3, OWN + RETRIEVED]


def test_an_export_loads_the_workflow_once_and_encodes_the_golden_rows_once(whole: Path) -> None:
    assert json.loads((whole.parent / "calls.json").read_text()) == {"loaded": 1, "golden": 1}


def test_nothing_to_leave_out_may_be_sent_as_a_list_without_a_place(whole: Path) -> None:
    local = LocalRepository(whole)
    rows = golden(local.folder)[20:24]
    blank = ask(local, RETRIEVE_AND_RANK, rows)
    for chain in filter(local.holds, (RETRIEVE_AND_RANK, RETRIEVE_AND_RANK_FUSED)):
        nothing = ask(local, chain, rows, ())
        assert nothing["item_id"].tolist() == blank["item_id"].tolist()
        assert np.isfinite(nothing["score"]).all()


def test_without_sequences_that_repeat_only_what_was_retrieved_is_ranked(tmp_path: Path) -> None:
    data = fitted_data(tmp_path / "plain", texts=False, repeats=False)
    own = {"candidates": RETRIEVED, "stored_embeddings": False}
    result = export(data, tmp_path / "out", own, reference_path=False, format="torchscript")
    assert result["families"]["two_tower"]["plan"]["retrieved"] == RETRIEVED
    assert max(result["differences"].values()) < TOLERANCE
    local = LocalRepository(tmp_path / "out")
    for row in golden(local.folder)[20:26]:
        found = ask(local, RETRIEVE_AND_RANK, [row])["item_id"][0].tolist()
        candidates = ask(local, "retrieve", [row])["item_id"][0].tolist()
        assert len(set(found) - set(candidates)) <= RETRIEVED - TOP_K
