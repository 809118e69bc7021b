"""A run of the next-item families: trained on sequences, evaluated on histories, loaded from its own folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from preprocessing.schema import FIRST_KNOWN_ID, read_fitted
from training.checkpoint import load_whole
from training.examples.histories import HistoryRows
from training.examples.sequences import SequenceExamples, TrainingSequences
from training.families.next_item import NextItemSettings
from training.families.sasrec.config import SasrecConfig
from training.ranking import model_scorer, rank_split
from training.trainer import LossError, fit

CONFIG = SasrecConfig(dim=8, max_length=6)
SETTINGS = NextItemSettings(epochs=2, batch_size=16, validation_rows=16, warmup_steps=2)


def test_a_run_picks_by_validation_and_its_folder_alone_gives_the_same_metrics(
    tmp_path: Path, synthetic_data: Path
) -> None:
    trained = fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS)
    assert trained.steps >= 2
    state = json.loads((tmp_path / "model" / "trainer_state.json").read_text(encoding="utf-8"))
    assert any("loss" in log for log in state["log_history"])
    rows = HistoryRows(synthetic_data, "validation", read_fitted(synthetic_data), CONFIG.max_length)
    picked = np.unique(np.linspace(0, len(rows) - 1, min(16, len(rows))).astype(np.int64))
    again = rank_split(model_scorer(load_whole(tmp_path / "model")), rows, (10,), picked)
    assert again == pytest.approx(trained.validation, abs=1e-9)


def test_a_history_has_the_known_items_before_the_cut_and_the_newest_are_read(synthetic_data: Path) -> None:
    fitted = read_fitted(synthetic_data)
    for split in ("validation", "test"):
        examples = SequenceExamples(synthetic_data, split, fitted, 10**6)
        rows = HistoryRows(synthetic_data, split, fitted, 3)
        every = np.arange(len(rows))
        whole, batch = examples.batch(every), rows.batch(every)
        for row in every:
            parts = [whole.history["items"][row], whole.session[row]]
            own = [int(item) for part in parts for item in part if item >= FIRST_KNOWN_ID]
            assert [int(item) for item in batch.features["history"][row] if item] == own[-3:]
            assert [int(item) for item in batch.excluded[0][row] if item] == own
    assert not HistoryRows(synthetic_data, "test", fitted, 3, exclude_seen=False).batch(every).excluded


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_step_and_the_last_checkpoint(
    tmp_path: Path, synthetic_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.families.next_item_step import NextItemStep

    forward, calls = NextItemStep.forward, []

    def diverging(self: NextItemStep, items: torch.Tensor) -> dict[str, torch.Tensor]:
        calls.append(1)
        found = forward(self, items)
        return {"loss": found["loss"] * (torch.nan if len(calls) == steps + 1 else 1)}

    steps = fit(synthetic_data, tmp_path / "first", CONFIG, SETTINGS.model_copy(update={"epochs": 1})).steps
    monkeypatch.setattr(NextItemStep, "forward", diverging)
    with pytest.raises(LossError, match=rf"step {steps + 1}: the loss is nan: .*step {steps} is whole"):
        fit(synthetic_data, tmp_path / "model", CONFIG, SETTINGS)
    assert not (tmp_path / "model").exists()
    weights = tmp_path / "model.checkpoints" / f"checkpoint-{steps}" / "model.safetensors"
    assert weights.is_file()


def test_dropout_keeps_the_mean_and_the_rate() -> None:
    from training.layers.dropout import Dropout

    torch.manual_seed(0)
    values = torch.ones(1001, 1003, requires_grad=True)
    dropped = Dropout(0.3)(values)
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=2e-3)
    assert float(dropped.detach().mean()) == pytest.approx(1, abs=3e-3)
    dropped.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())
    module: nn.Module = Dropout(0.3)
    assert module.eval()(values) is values


def test_targets_are_counted_in_the_part_of_a_sequence_that_trains(synthetic_data: Path) -> None:
    items = read_fitted(synthetic_data).items
    for windows in (False, True):
        data = TrainingSequences(synthetic_data, 4, windows=windows)
        following = data.collate(range(len(data)))["items"][:, 1:]
        expected = np.bincount(following[following > 0].numpy(), minlength=items)
        assert data.target_counts(items).tolist() == expected.tolist()
