"""A log of orders without users, whose schema has no offline feature, is trained and measured by both families."""

import json
import sys
from pathlib import Path

import pytest
import torch

from preprocessing.schema import read_fitted
from tests.lively import lively_model
from training.__main__ import main
from training.examples.moments import SplitData
from training.families import NAMES
from training.families.offline_online.config import OfflineOnlineConfig


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["training", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("family", NAMES)
def test_orders_without_users_train_and_are_measured(
    family: str,
    orders_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = str(tmp_path / "model")
    flags = ["--family", family, "--epochs=2", "--batch-size=32", "--dim=8", "--best-by=ndcg@5", "--no-tracking"]
    assert run(monkeypatch, "fit", "--data", str(orders_data), "--output", model, *flags) == 0
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0 < trained["validation_ndcg@5"] <= 1
    assert trained["best_step"] > 0
    assert not trained["stopped_early"]
    assert run(monkeypatch, "evaluate", "--data", str(orders_data), "--model", model, "--k=5") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["users"] > 5


def test_without_offline_features_the_whole_is_the_ranker_on_a_state_of_zeros(orders_data: Path) -> None:
    fitted = read_fitted(orders_data)
    model = lively_model(orders_data, fitted, OfflineOnlineConfig(dim=8, hidden=12))
    rows = SplitData(orders_data, "train", fitted)
    features = rows.batch(torch.arange(len(rows)).numpy()).features
    with torch.no_grad():
        state = model.offline(features)
        assert torch.equal(state.user_embedding, torch.zeros(len(rows), 8))
        assert state.repeat_items.shape == state.repeat_logits.shape == (len(rows), 0)
        assert torch.equal(model(features), model.online(state, features))
        assert len(model(features).unique(dim=0)) > 1
