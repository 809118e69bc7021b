"""The baselines against slow references that read `sequences.parquet` by themselves; the interval by users."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch

from preprocessing.schema import FIRST_KNOWN_ID, read_fitted
from stage.errors import BadInput
from training.baselines import NAMES, baselines
from training.baselines import item_knn as knn
from training.baselines.item_knn import ItemKNN, similarities
from training.baselines.popularity import train_counts
from training.baselines.train_matrix import train_matrix
from training.baselines.vs_knn import VSKNN
from training.difference import difference
from training.evaluate import behind_a_baseline, best_baseline
from training.examples.histories import HistoryRows
from training.examples.moments import SplitData
from training.examples.sequence_file import SequencesError
from training.ranking import rank_split

MANY = 1 << 20


def training_sequences(data: Path) -> list[tuple[int, int, list[int]]]:
    """Return the instant of the last training item, the place in the file and the items of every sequence."""
    found = []
    for place, row in enumerate(pq.read_table(data / "sequences.parquet").to_pylist()):
        taken = [
            (instant, item)
            for item, instant, session in zip(row["items"], row["instants"], row["sessions"], strict=True)
            if item >= FIRST_KNOWN_ID and row["splits"][session] == 0
        ]
        if len({item for _, item in taken}) > 1:
            found.append((taken[-1][0], place, [item for _, item in taken]))
    return found


def histories(data: Path, split: str) -> list[list[int]]:
    rows = HistoryRows(data, split, read_fitted(data), MANY)
    padded = rows.batch(np.arange(len(rows))).features["history"].tolist()
    return [[item for item in row if item] for row in padded]


def below(data: Path) -> list[float]:
    counts = train_counts(data, read_fitted(data))
    return [knn.FALLBACK * count / (max(counts) + 1) for count in counts]


@pytest.fixture(params=["synthetic_data", "orders_data"])
def data(request: pytest.FixtureRequest) -> Path:
    """A fit of a log with users, and one of a log without."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


def test_item_knn_scores_as_the_formula_says(data: Path) -> None:
    sequences = [set(items) for _, _, items in training_sequences(data)]
    own = Counter(item for items in sequences for item in items)
    both = Counter(pair for items in sequences for pair in permutations(items, 2))

    def similarity(one: int, other: int) -> float:
        return both[one, other] / math.sqrt((own[one] + knn.SHRINKAGE) * (own[other] + knn.SHRINKAGE))

    moments, fitted = SplitData(data, "test", read_fitted(data)), read_fitted(data)
    found = ItemKNN(data, "test", fitted, train_counts(data, fitted))(moments.batch(np.arange(len(moments))))
    expected = torch.tensor(below(data), dtype=torch.float32).repeat(len(moments), 1)
    for row, history in enumerate(histories(data, "test")):
        for position, item in enumerate(reversed(history[-knn.MOST_RECENT :])):
            for other in range(FIRST_KNOWN_ID, fitted.items):
                expected[row, other] += 2 ** (-position / knn.HALF_LIFE) * similarity(item, other) * (item != other)
    assert found.shape == (len(moments), fitted.items)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-15)


def test_item_knn_keeps_the_largest_similarities_of_an_item_whatever_the_size_of_a_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = sp.csr_array((np.random.default_rng(0).random((30, 12)) < 0.3).astype(np.float32))
    shared = (matrix.T @ matrix).toarray()
    root = np.sqrt(np.diag(shared) + 4)
    whole = shared / root / root[:, None]
    np.fill_diagonal(whole, 0)
    for row in whole:
        row[sorted(range(12), key=lambda item: (-row[item], item))[3:]] = 0
    for block in (1, 40, 1 << 24):
        monkeypatch.setattr(knn, "PRODUCTS", block)
        found = similarities(matrix, 3, 4)
        assert (np.diff(found.indptr) <= 3).all()
        np.testing.assert_allclose(found.toarray(), whole, rtol=1e-5)


@pytest.mark.parametrize(("neighbours", "sample"), [(2, 5), (7, MANY), (MANY, 3), (MANY, MANY)])
def test_vs_knn_scores_as_the_published_program_does(data: Path, neighbours: int, sample: int) -> None:
    sequences = sorted(training_sequences(data), reverse=True)
    moments, fitted = SplitData(data, "test", read_fitted(data)), read_fitted(data)
    scorer = VSKNN(data, "test", fitted, train_counts(data, fitted), neighbours, sample)
    found = scorer(moments.batch(np.arange(len(moments))))
    expected = torch.tensor(below(data), dtype=torch.float32).repeat(len(moments), 1)
    for row, history in enumerate(histories(data, "test")):
        tenths: dict[int, int] = {}
        for position, item in enumerate(reversed(history[-10:])):
            tenths.setdefault(item, 10 - position)
        candidates = [set(items) for _, _, items in sequences if tenths.keys() & set(items)][:sample]
        nearest = sorted(candidates, key=lambda items: -sum(tenths.get(item, 0) for item in items))[:neighbours]
        for items in nearest:
            shared = [tenths[item] for item in items & tenths.keys()]
            for item in items:
                expected[row, item] += sum(shared) * max(shared) / 100
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-15)


def test_the_newest_sequence_is_the_first_row_and_an_item_counts_once(data: Path) -> None:
    matrix = train_matrix(data, read_fitted(data)).toarray()
    expected = [sorted(set(items)) for _, _, items in sorted(training_sequences(data), reverse=True)]
    assert [np.flatnonzero(row).tolist() for row in matrix] == expected
    assert set(np.unique(matrix)) == {0.0, 1.0}


def test_every_baseline_ranks_the_histories_of_next_item_models(data: Path) -> None:
    fitted = read_fitted(data)
    moments, rows = SplitData(data, "test", fitted), HistoryRows(data, "test", fitted, 5, exclude_seen=False)
    found = baselines(data, moments, fitted)
    assert ("vs_knn" in found) is (not fitted.schema_.log.columns.user)
    assert {"popularity", "popularity_7_days", "item_knn"} <= set(found)
    assert list(baselines(data, moments, fitted, ["vs_knn"])) == ["vs_knn"]
    for scorer in found.values():
        assert 0 < rank_split(scorer, rows, (10,))["ndcg@10"] <= 1


def test_a_baseline_that_the_data_do_not_allow_is_refused_only_if_it_is_named(
    tmp_path: Path, orders_data: Path
) -> None:
    fitted = read_fitted(orders_data)
    moments = SplitData(orders_data, "test", fitted)
    assert "own_most_frequent" not in baselines(orders_data, moments, fitted)
    with pytest.raises(BadInput, match=r"own_most_frequent: the schema has no sequence .* leave it out"):
        baselines(orders_data, moments, fitted, ["own_most_frequent"])
    for file in ("item_index.parquet", "daily_purchases.parquet"):
        (tmp_path / file).symlink_to(orders_data / file)
    assert set(baselines(tmp_path, moments, fitted)) <= set(NAMES) - {"item_knn", "vs_knn"}
    with pytest.raises(SequencesError, match=r"no sequences\.parquet"):
        baselines(tmp_path, moments, fitted, ["item_knn"])


def test_the_interval_is_that_of_whole_users() -> None:
    random = np.random.default_rng(1)
    users = np.repeat(np.arange(200), 5)
    noise = random.normal(size=200)[users]
    found = difference(0.1 + noise, np.zeros(1000), users)
    assert found.mean == pytest.approx(0.1 + noise.mean())
    width = 2 * 1.96 * noise[::5].std() / math.sqrt(200)
    assert found.high - found.low == pytest.approx(width, rel=0.1)
    assert found == difference(0.1 + noise, np.zeros(1000), users)
    by_row = difference(0.1 + noise, np.zeros(1000), np.arange(1000))
    assert by_row.high - by_row.low < 0.6 * width


def test_the_best_baseline_is_named_where_the_model_is_not_ahead() -> None:
    found = {"model": {"ndcg@10": 0.2}, "popularity": {"ndcg@10": 0.1}, "item_knn": {"ndcg@10": 0.2}}
    assert best_baseline(found, "ndcg@10") == "item_knn"
    assert "does not beat item_knn: ndcg@10 0.2000" in behind_a_baseline(found, "ndcg@10")
    assert not behind_a_baseline({"model": {"ndcg@10": 0.2}}, "ndcg@10")
