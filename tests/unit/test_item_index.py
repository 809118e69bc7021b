"""The item index: its choice, its answers with few candidates, and its refusals."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.errors import GraphError, ParityError
from export.families.two_tower.index import choice
from export.families.two_tower.index.compare import compare_approximate
from export.families.two_tower.index.hnsw import (
    FILE,
    build_hnsw,
    exact_places,
    item_rows,
    recall,
    tune_ef_search,
    write_hnsw,
)
from export.families.two_tower.lookups import write_match
from export.families.two_tower.plan import ITEM_INDEX, RetrievalPlan
from export.triton.files import COMMITTED
from preprocessing.schema import load_schema

DIM = 8


def unit_vectors(count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def plan() -> RetrievalPlan:
    return RetrievalPlan(load_schema("movielens"), DIM, top_k=10)


def served_index(folder: Path, vectors: np.ndarray[Any, Any], top_k: int) -> Any:
    """The class that the server runs, over the vectors of all ids."""
    write_hnsw(build_hnsw(item_rows(vectors)), folder / FILE)
    specification = importlib.util.spec_from_file_location(
        "item_index_model", COMMITTED / ITEM_INDEX / "1" / "model.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    parameters = {"ef_search": {"string_value": "50"}, "first_item_id": {"string_value": "3"}}
    return module.ItemIndex({"parameters": parameters, "output": [{"name": "item_ids", "dims": [top_k]}]}, folder)


def test_requests_of_mixed_lengths_get_the_exact_answers_without_what_each_leaves_out(tmp_path: Path) -> None:
    items, users = unit_vectors(203), unit_vectors(7, seed=1)
    index = served_index(tmp_path, items, 10)
    best = exact_places(item_rows(items), users, 200) + 3
    left_out = [best[:2, :0], best[2:5, :4], best[5:, [0, 0, 1, 9, 9, 20]]]
    requests = [
        {"user_vector": part, "exclude.encoded": np.c_[ids, np.zeros((len(ids), 1), dtype=np.int64)].astype(np.int64)}
        for part, ids in zip(np.split(users, [2, 5]), left_out, strict=True)
    ]
    answers = index.answer_requests(requests)
    found = np.concatenate([answer["item_ids"] for answer in answers])
    assert found.dtype == np.int64
    gone = [set(row) for ids in left_out for row in ids.tolist()]
    expected = [[item for item in row if item not in out][:10] for row, out in zip(best.tolist(), gone, strict=True)]
    assert found.tolist() == expected
    scores = np.concatenate([answer["score"] for answer in answers])
    np.testing.assert_allclose(scores, np.einsum("nd,nkd->nk", users, items[found]), atol=1e-5)


def test_slots_that_no_item_fills_are_padding(tmp_path: Path) -> None:
    items = unit_vectors(3 + 6)
    index = served_index(tmp_path, items, 10)
    request = {"user_vector": unit_vectors(1), "exclude.encoded": np.array([[3, 0, 5, 999]], dtype=np.int64)}
    [answer] = index.answer_requests([request])
    assert sorted(answer["item_ids"][0, :4].tolist()) == [4, 6, 7, 8]
    assert answer["item_ids"][0, 4:].tolist() == [0] * 6
    assert (answer["score"][0, 4:] == -np.inf).all()


def test_a_vector_of_another_width_is_refused_alone(tmp_path: Path) -> None:
    index = served_index(tmp_path, unit_vectors(43), 5)
    nothing = np.zeros((1, 1), dtype=np.int64)
    wide = {"user_vector": np.zeros((1, DIM + 1), dtype=np.float32), "exclude.encoded": nothing}
    good = {"user_vector": unit_vectors(1), "exclude.encoded": nothing}
    refused, answered = index.answer_requests([wide, good])
    assert "user_vector is 9 wide, the index has vectors of 8" in str(refused)
    assert (answered["item_ids"] > 2).all()
    assert index.answer_requests([]) == []


def test_a_small_catalogue_gets_the_exact_index_and_any_other_what_was_asked_for(plan: RetrievalPlan) -> None:
    items, users = unit_vectors(300), unit_vectors(20, seed=1)
    chosen, index, about = choice.choose_index(replace(plan, index="auto"), items, users, lambda _: None)
    assert (chosen.index, index, about) == ("exact", None, {"kind": "exact", "items": 297})
    chosen, index, about = choice.choose_index(replace(plan, index="hnsw"), items, users, lambda _: None)
    assert (chosen.index, index.ntotal) == ("hnsw", 297)
    assert about["recall"] >= 0.99
    assert chosen.ef_search == about["ef_search"] >= plan.top_k


@pytest.mark.parametrize(("exact_ms", "hnsw_ms", "kind"), [(5.0, 0.5, "hnsw"), (0.6, 0.5, "exact")])
def test_a_larger_catalogue_gets_what_was_measured_to_be_worth_it(
    plan: RetrievalPlan, monkeypatch: pytest.MonkeyPatch, exact_ms: float, hnsw_ms: float, kind: str
) -> None:
    monkeypatch.setattr(choice, "FEW_ITEMS", 100)
    monkeypatch.setattr(choice, "_exact_ms", lambda *_: exact_ms)
    monkeypatch.setattr(choice, "_hnsw_ms", lambda *_: hnsw_ms)
    plan = replace(plan, index="auto")
    chosen, _, about = choice.choose_index(plan, unit_vectors(300), unit_vectors(20, seed=1), lambda _: None)
    assert (chosen.index, about["kind"]) == (kind, kind)
    assert (about["exact_ms"], about["hnsw_ms"]) == (exact_ms, hnsw_ms)


def test_without_faiss_auto_is_exact_and_hnsw_names_what_to_install(
    plan: RetrievalPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "FEW_ITEMS", 100)
    monkeypatch.setitem(sys.modules, "faiss", None)
    items, users = unit_vectors(300), unit_vectors(20, seed=1)
    assert choice.choose_index(replace(plan, index="auto"), items, users, lambda _: None)[0].index == "exact"
    with pytest.raises(GraphError, match=r"install naiad\[retrieval\]"):
        choice.choose_index(replace(plan, index="hnsw"), items, users, lambda _: None)


def test_ef_search_rises_until_the_recall_is_there() -> None:
    vectors, queries = unit_vectors(3000), unit_vectors(50, seed=1)
    expected = exact_places(vectors, queries, 10)
    index = build_hnsw(vectors)
    ef_search, reached = tune_ef_search(index, expected, queries, 10)
    assert reached >= 0.99
    assert 10 <= ef_search < 3000
    assert recall(expected, expected[:, ::-1]) == 1.0
    assert recall(expected, np.zeros_like(expected) - 1) == 0.0


def test_an_index_that_misses_too_much_or_invents_scores_is_refused() -> None:
    items, users = unit_vectors(103), unit_vectors(4, seed=1)
    ids = exact_places(item_rows(items), users, 10) + 3
    score = np.einsum("nd,nkd->nk", users, items[ids]).astype(np.float32)
    expected = {"user_vector": users, "item_ids": ids}
    assert compare_approximate("item_index", expected, items, ids, score) < 1e-6
    with pytest.raises(ParityError, match="item_index: score differs"):
        compare_approximate("item_index", expected, items, ids, score + 0.01)
    other = exact_places(item_rows(items), users, 30)[:, 20:] + 3
    with pytest.raises(ParityError, match="finds 0 of 40 items"):
        compare_approximate("item_index", expected, items, other, np.einsum("nd,nkd->nk", users, items[other]))
    twice = np.repeat(ids[:, :5], 2, axis=1)
    with pytest.raises(ParityError, match="an item occurs twice"):
        compare_approximate("item_index", expected, items, twice, np.repeat(score[:, :5], 2, axis=1))


def test_a_pair_s_vectors_must_be_as_wide_as_each_other(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"2 ids of user_id have vectors \[2, 3\], expected \[2, 8\]"):
        write_match(["a", "b"], np.zeros((2, 3), np.float32), ["", "", "", "x"], unit_vectors(4), tmp_path / "m.onnx")


def test_only_an_exact_index_in_onnx_has_a_fused_chain(plan: RetrievalPlan) -> None:
    assert plan.fused
    assert not replace(plan, index="hnsw").fused
    assert not replace(plan, format="torchscript").fused
    assert not replace(plan, compiled=False).fused
