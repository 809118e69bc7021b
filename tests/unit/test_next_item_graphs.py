"""The graphs of a next-item repository answer as slow Python does, to any list of strings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from export.errors import GraphError
from export.graphs.onnx import write_onnx
from export.next_item.history_ids import write_history_ids
from export.next_item.plan import NextItemPlan
from export.next_item.popular import PopularLists, read_popular
from export.next_item.ranker import NextItemGraph
from export.next_item.requests import HistoryRequests, request_of
from export.next_item.similar import write_similar
from export.parity.model_files import open_session
from export.parity.onnx_inputs import onnx_inputs
from preprocessing.schema import load_schema

ITEMS = ["", "", "", "a", "b", "ç", "00", "茶", "f", "g"]
MAX_LENGTH = 4


class Plan(NextItemPlan):
    family = "unit"


class Nearest(nn.Module):
    """A model whose vector of a history is the mean of its items' vectors, weighted by position."""

    max_length = MAX_LENGTH

    def __init__(self, items: int, dim: int = 5) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(items, dim, generator=torch.Generator().manual_seed(0)))

    def catalogue(self) -> Tensor:
        return self.table

    def encode(self, history: Tensor, table: Tensor) -> Tensor:
        weight = (history != 0) * torch.arange(1, history.shape[1] + 1)
        return (table[history] * weight[..., None]).sum(1)


def popular(folder: Path, rows: list[tuple[str, str, int, int]]) -> PopularLists:
    names = ("feature", "value", "encoded_id", "purchases")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), folder / "popular.parquet")
    return read_popular(folder)


LISTS = [
    *[("", "", item, 50 - item) for item in (7, 3, 4, 5, 6, 8, 9)],
    *[("country", "Łand", item, 9) for item in (4, 9)],
    ("store", "1", 5, 3),
]


@pytest.fixture
def lists(tmp_path: Path) -> PopularLists:
    return popular(tmp_path, LISTS)


def plan(lists: PopularLists, **options: Any) -> Plan:
    shared = {"dim": 5, "top_k": 3, "max_length": MAX_LENGTH, "contexts": lists.contexts, **options}
    return Plan(load_schema("complete_journey"), **shared)


def run(path: Path, arrays: dict[str, Any]) -> dict[str, Any]:
    session = open_session(path, threads=1)
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, onnx_inputs(arrays)), strict=True))


def histories() -> Iterator[list[str | None]]:
    random = np.random.default_rng(0)
    yield from ([], [""], [None, ""], ["?"], ["?"] * 9, ["a"], ["a"] * 9, ["A", " a", "0"], ["", "g", "?", "", "f"])
    for length in range(1, 12):
        yield [["", "?", *ITEMS[3:]][place] for place in random.integers(0, len(ITEMS) - 1, length)]


ROWS = [
    {"history": history, "exclude": ["ç", "?", ""][: place % 4], "country": [None, "Łand", "?"][place % 3]}
    | {"store": ["1", "", "2"][place % 5 % 3]}
    for place, history in enumerate(histories())
]


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_known_items_stay_in_order_and_the_newest_are_kept_wherever_padding_and_unknown_ids_stand(
    tmp_path: Path, lists: PopularLists, exclude_seen: bool, together: bool
) -> None:
    write_history_ids(ITEMS, lists, plan(lists, exclude_seen=exclude_seen), tmp_path / "model.onnx")
    slow = HistoryRequests(ITEMS, lists.contexts, ROWS)
    for rows in [ROWS] if together else [[row] for row in ROWS]:
        found = run(tmp_path / "model.onnx", request_of(rows, lists.contexts))
        newest = [slow.newest(row, MAX_LENGTH) for row in rows]
        width = max(1, *map(len, newest), 0)
        assert found["history.encoded"].tolist() == [ids + [0] * (width - len(ids)) for ids in newest]
        for row, excluded in zip(rows, found["exclude.encoded"], strict=True):
            assert sorted({*excluded.tolist()} - {0, 2}) == slow.excluded(row, exclude_seen)
        for row, share, code, own in zip(
            rows, *(found[n] for n in ("known", "reason_code", "popular.encoded")), strict=True
        ):
            given = [item for item in row["history"] if item]
            known = [item for item in given if item in ITEMS]
            assert share == pytest.approx(len(known) / len(given) if given else 0)
            by = "country" if row["country"] == "Łand" else "store" if row["store"] == "1" else ""
            why = f"popular{' by ' * bool(by)}{by}: {'no known item' if given else 'empty history'}"
            assert plan(lists).reasons[code[0]] == ("model" if known else why)
            assert own[0] == lists.of(row)


def ranked(lists: PopularLists, table: Tensor, history: list[int], excluded: list[int], top_k: int, own: int) -> Any:
    """The ids and scores that a loop finds."""
    if history:
        weighed = sum(((place + 1) * table[item] for place, item in enumerate(history)), torch.zeros(5))
        pairs = [(float(weighed @ table[item]), item) for item in range(3, len(table)) if item not in excluded]
        pairs.sort(key=lambda pair: (-pair[0], pair[1]))
    else:
        listed = zip(lists.purchases[own].tolist(), lists.items[own].tolist(), strict=True)
        pairs = [(score, item) for score, item in listed if item and item not in excluded]
    pairs = (pairs + [(-np.inf, 0)] * top_k)[:top_k]
    return [item for _, item in pairs], [score for score, _ in pairs]


@pytest.mark.parametrize("in_onnx", [True, False])
def test_the_ranker_answers_from_the_history_or_from_the_popular_list_of_the_row(
    tmp_path: Path, lists: PopularLists, in_onnx: bool
) -> None:
    model, own_plan = Nearest(len(ITEMS)), plan(lists)
    graph = NextItemGraph(model, lists, own_plan).eval()  # type: ignore[arg-type]
    if in_onnx:
        write_onnx(graph, own_plan.encoded, own_plan.ranking, tmp_path / "model.onnx")
    history = np.array([[3, 4, 9, 5], [8, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [7, 7, 7, 0]])
    excluded = np.array([[3, 4, 9, 5, 7], [0] * 5, [7, 3, 0, 2, 1], [4, 0, 0, 0, 0], [5, 0, 0, 0, 0], [3, 4, 5, 6, 8]])
    popular_list = np.array([[0], [3], [2], [3], [4], [4]])
    arrays = dict(zip((each.name for each in own_plan.encoded), (history, excluded, popular_list), strict=True))
    with torch.no_grad():
        answers = graph(*map(torch.from_numpy, arrays.values()))
    found = run(tmp_path / "model.onnx", arrays).values() if in_onnx else [each.numpy() for each in answers]
    for row, (ids, scores) in enumerate(zip(*found, strict=True)):
        real = [item for item in history[row].tolist() if item]
        wanted = ranked(lists, model.table.detach(), real, excluded[row].tolist(), 3, int(popular_list[row, 0]))
        assert ids.tolist() == wanted[0], row
        np.testing.assert_allclose(scores, wanted[1], rtol=1e-5)


@pytest.mark.parametrize("items", [ITEMS, ITEMS[:4]])
def test_similar_items_are_the_nearest_by_cosine_without_the_item_itself(
    tmp_path: Path, lists: PopularLists, items: list[str]
) -> None:
    top_k, table = len(items) - 3, np.random.default_rng(1).normal(size=(len(items), 5)).astype(np.float32)
    write_similar(items, table, plan(lists, top_k=top_k), tmp_path / "model.onnx")
    asked = ["a", items[-1], "?", ""]
    found = run(tmp_path / "model.onnx", {"item": np.array([[each.encode()] for each in asked], dtype=object)})
    assert found["reason"].tolist() == [["model"], ["model"], ["unknown item"], ["unknown item"]]
    for row, item in enumerate(asked[:2]):
        vector = table[items.index(item)]
        cosines = table @ vector / np.linalg.norm(table, axis=1) / np.linalg.norm(vector)
        others = sorted((place for place in range(3, len(items)) if items[place] != item), key=lambda p: -cosines[p])
        assert found["item_id"][row].tolist() == [*(items[place] for place in others), ""]
        np.testing.assert_allclose(found["score"][row], [*cosines[others], -np.inf], rtol=1e-5)
    assert set(found["item_id"][2:].ravel().tolist()) == {""}
    assert np.isneginf(found["score"][2:]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("country", "A", 3, 1)], "has no list of the whole log: train again"),
        ([("", "", 3, 1), ("history", "A", 3, 1)], "^history: is a feature with popular lists, and an input"),
    ],
)
def test_popular_lists_that_cannot_be_served_are_refused(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        popular(tmp_path, rows)
