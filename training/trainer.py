"""Training on `transformers.Trainer`: seeds, resuming, early stopping on whole-catalogue NDCG, a progress bar."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from preprocessing.schema import FittedSchema, read_fitted
from stage.output import whole_folder
from training.checkpoint import new_model, save
from training.data import DataError, Rows, SplitData, collate
from training.losses import softmax_cross_entropy
from training.models.config import ModelConfig
from training.models.offline_online import OfflineOnline
from training.ranking import model_scorer, rank_split
from training.settings import TrainingSettings

BEST_BY = "ndcg@20"
SHARED_ITEMS = ("model.offline.items.", "model.online.items.")


@dataclass(frozen=True)
class Trained:
    """What a run came to: the best validation metrics, the steps taken, the seconds of this process."""

    validation: dict[str, float]
    steps: int
    seconds: float


class TrainingStep(nn.Module):
    """What the Trainer calls: a batch as `training.data.collate` makes it -> its loss."""

    def __init__(self, model: OfflineOnline, exclude: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self._exclude = exclude

    def forward(self, features: dict[str, Tensor], rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        excluded = [features[name] for name in self._exclude]
        return {"loss": softmax_cross_entropy(self.model.parts(features), excluded, rows, targets)}

    def state_dict(self, *arguments: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override]
        """Each shared tensor once: the Trainer's safetensors writer refuses tensors of two names."""
        state = super().state_dict(*arguments, **named)
        return {name: value for name, value in state.items() if not name.startswith(SHARED_ITEMS)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        items = {name.removeprefix("model.items."): value for name, value in state_dict.items() if ".items." in name}
        shared = {prefix + name: value for prefix in SHARED_ITEMS for name, value in items.items()}
        return super().load_state_dict({**state_dict, **shared}, strict, assign)


class RankingTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that evaluates by ranking the whole catalogue."""

    def __init__(self, validation: SplitData, fitted: FittedSchema, rows: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._validation, self._fitted = validation, fitted
        self._rows = np.unique(np.linspace(0, len(validation) - 1, rows).astype(np.int64))

    def evaluate(self, *_: object, metric_key_prefix: str = "eval", **__: object) -> dict[str, float]:
        scorer = model_scorer(self.model.model)
        metrics = rank_split(scorer, self._validation, self._fitted, ks=(20,), rows=self._rows)
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(named)
        control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)  # type: ignore[has-type]
        self.control = control
        return named


def fit(
    data: str | Path,
    output: str | Path,
    config: ModelConfig,
    settings: TrainingSettings,
    resume: bool = False,
    overwrite: bool = False,
) -> Trained:
    """Train on DATA's train rows and write MODEL (see `training.checkpoint`) whole or not at all.

    Trainer checkpoints stand in `OUTPUT.checkpoints` until the run ends; `resume` goes on from the latest of them, on
    the same random numbers that the unbroken run would have drawn.
    """
    started = time.monotonic()
    data, scratch = Path(data), Path(output).with_name(Path(output).name + ".checkpoints")
    fitted = read_fitted(data)
    train, validation = SplitData(data, "train", fitted), SplitData(data, "validation", fitted)
    rows = train.having_targets()
    if not len(rows):
        raise DataError(f"no train row of {data} has a known target: lower min_frequency of the item id")
    with whole_folder(output, overwrite) as folder:
        set_seed(settings.seed)
        model = new_model(data, fitted, config)
        steps_per_epoch = math.ceil(len(rows) / settings.batch_size)
        every = math.ceil(steps_per_epoch / settings.evaluations_per_epoch)
        trainer = RankingTrainer(
            validation=validation,
            fitted=fitted,
            rows=min(settings.validation_rows, len(validation)),
            model=TrainingStep(model, fitted.schema_.exclude),
            args=_arguments(settings, scratch, every),
            train_dataset=Rows(rows),
            eval_dataset=Rows(np.arange(len(validation))),
            data_collator=partial(collate, train),
            callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)],
        )
        checkpoint = get_last_checkpoint(str(scratch)) if resume and scratch.is_dir() else None
        if checkpoint is None:
            shutil.rmtree(scratch, ignore_errors=True)
        trainer.train(resume_from_checkpoint=checkpoint)
        best = {k.removeprefix("eval_"): v for k, v in _best_log(trainer).items() if k.startswith("eval_")}
        save(model.eval(), config, data, folder)
        (folder / "settings.json").write_text(settings.model_dump_json(indent=1), encoding="utf-8")
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
    shutil.rmtree(scratch, ignore_errors=True)
    return Trained(best, trainer.state.global_step, time.monotonic() - started)


def _best_log(trainer: Trainer) -> dict[str, float]:
    logs = [log for log in trainer.state.log_history if f"eval_{BEST_BY}" in log]
    best: dict[str, float] = max(logs, key=lambda log: log[f"eval_{BEST_BY}"])
    return best


def _arguments(settings: TrainingSettings, scratch: Path, every: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        bf16=settings.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{BEST_BY}",
        greater_is_better=True,
        logging_steps=max(every // 4, 1),
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=not sys.stderr.isatty(),
    )
