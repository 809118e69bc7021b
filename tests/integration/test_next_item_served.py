"""A next-item model on the real server: raw histories in, raw items out, to anyone, with the reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from client.recommend_client import RecommendClient
from tests.families import REPOSITORIES
from tests.in_process import run_in_process
from tests.integration.served import Served, as_inputs

CHAINS = ("next_item", "next_item_fused")


@pytest.fixture
def served(compiled_data: Path, serve: Callable[..., Served]) -> Served:
    return serve(REPOSITORIES["sasrec"](compiled_data, "onnx"), compiled_data, "sasrec")


def strings(*rows: list[str]) -> Any:
    width = max(map(len, rows))
    return np.array([[each.encode() for each in row] + [b""] * (width - len(row)) for row in rows], dtype=object)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_ragged_batch_of_raw_histories_gets_raw_items_and_the_reason_of_each_row(served: Served, chain: str) -> None:
    items = served.items
    histories = [[], ["never seen"], items[:2], [*items[:20], "?"], ["", items[3], "", items[3]], []]
    countries = ["", "", "", "", "", "Łand"]
    request = {
        "history": strings(*histories),
        "exclude": strings(*[[items[0], items[5]]] * len(histories)),
        "country": strings(*[[each] for each in countries]),
        "store": strings(*[[""]] * len(histories)),
    }
    answer = served.client.infer(chain, as_inputs(request))
    found = [[each.decode() for each in row] for row in answer.as_numpy("item_id")]
    reasons = [each.decode() for [each] in answer.as_numpy("reason")]
    assert reasons == [
        "popular: empty history",
        "popular: no known item",
        "model",
        "model",
        "model",
        "popular by country: empty history",
    ]
    np.testing.assert_allclose(answer.as_numpy("known")[:, 0], [0, 0, 1, 20 / 21, 1, 0], rtol=1e-6)
    for row, history, of_row in zip(found, histories, answer.as_numpy("score"), strict=True):
        filled = [item for item in row if item]
        assert len(set(filled)) == len(filled)
        assert not {*filled} & {*history, items[0], items[5]}
        assert np.isneginf(of_row[len(filled) :]).all()
    assert found[0] == found[1] == [items[place] for place in (1, 2, 3, 4, 6, 7, 8)]
    assert set(found[5]) <= {*items, ""}


def test_the_client_of_the_house_sends_histories_of_any_length(served: Served) -> None:
    for chain in CHAINS:
        with RecommendClient(served.server.grpc_url, chain) as client:
            answers = client.recommend([{"history": served.items[:length]} for length in (0, 1, 9, 25)])
        assert all(answer.item_ids for answer in answers)


def test_similar_items_are_others_and_an_unknown_item_has_none(served: Served) -> None:
    asked = [[served.items[0]], ["never seen"]]
    answer = served.client.infer("similar_items", as_inputs({"item": strings(*asked)}))
    first, second = answer.as_numpy("item_id").tolist()
    assert served.items[0].encode() not in first
    assert len({*first} & {item.encode() for item in served.items}) == len(first)
    assert set(second) == {b""}
    assert answer.as_numpy("reason").tolist() == [[b"model"], [b"unknown item"]]


def test_a_file_of_histories_gets_the_answers_of_the_server(served: Served, tmp_path: Path) -> None:
    histories = [served.items[:length] for length in (3, 0, 12)]
    pq.write_table(pa.table({"history": histories, "user": ["u", "v", "w"]}), tmp_path / "in.parquet")
    command = ("export", "predict", "--repository", served.repository, "--histories", tmp_path / "in.parquet")
    done = run_in_process(*command, "--output", tmp_path / "out.parquet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["histories"] == 3
    blank = strings(*[[""]] * 3)
    request = {"history": strings(*histories), "exclude": blank, "country": blank, "store": blank}
    answer = served.client.infer("next_item_fused", as_inputs(request))
    written = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert written["user"] == ["u", "v", "w"]
    assert written["item_id"] == [[each.decode() for each in row if each] for row in answer.as_numpy("item_id")]
