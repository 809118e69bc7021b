"""Training on `transformers.Trainer`: seeds, resuming, early stopping on whole-catalogue ranking, a progress bar."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from preprocessing.schema import FIRST_KNOWN_ID, FittedSchema, read_fitted
from stage.inputs import require_apart
from stage.output import whole_folder
from training.checkpoint import new_model, save
from training.data import DataError, Rows, SplitData, collate
from training.interrupted import begin, checkpoint_folder
from training.models.config import AnyConfig
from training.ranking import model_scorer, rank_split
from training.settings import TrainingSettings
from training.steps import new_step


@dataclass(frozen=True)
class Trained:
    """What a run came to: the best validation metrics, the steps taken, the seconds of this process."""

    validation: dict[str, float]
    steps: int
    seconds: float


class RankingTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that evaluates by ranking the whole catalogue, at the one cut-off `k`."""

    def __init__(self, validation: SplitData, fitted: FittedSchema, rows: int, k: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._validation, self._fitted, self._k = validation, fitted, k
        self._rows = np.unique(np.linspace(0, len(validation) - 1, rows).astype(np.int64))

    def evaluate(self, *_: object, metric_key_prefix: str = "eval", **__: object) -> dict[str, float]:
        scorer = model_scorer(self.model.model)
        metrics = rank_split(scorer, self._validation, self._fitted, ks=(self._k,), rows=self._rows)
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        self.log(named)
        control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)  # type: ignore[has-type]
        self.control = control
        return named


def fit(
    data: str | Path,
    output: str | Path,
    config: AnyConfig,
    settings: TrainingSettings,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
    inputs: Sequence[Path] = (),
) -> Trained:
    """Train on DATA's train rows and write MODEL (see `training.checkpoint`) whole or not at all.

    Trainer checkpoints stand in `OUTPUT.checkpoints` until the run ends; `resume` goes on from the latest of them, on
    the same random numbers that the unbroken run would have drawn. `inputs`: what else OUTPUT may not hold.
    """
    started = time.monotonic()
    data = Path(data)
    fitted = read_fitted(data)
    set_seed(settings.seed)
    k = _cut_off(settings, fitted)
    model = new_model(data, fitted, config)
    train, validation = SplitData(data, "train", fitted), SplitData(data, "validation", fitted)
    rows = train.having_targets()
    if not len(rows):
        raise DataError(f"no train row of {data} has a known target: lower min_frequency of the item id")
    read = [data, *inputs]
    with whole_folder(output, overwrite, read, "training fit") as folder:
        require_apart(checkpoint_folder(output), read)
        checkpoint = begin(output, fitted, config, settings, resume)
        steps_per_epoch = math.ceil(len(rows) / settings.batch_size)
        every = math.ceil(steps_per_epoch / settings.evaluations_per_epoch)
        trainer = RankingTrainer(
            validation=validation,
            fitted=fitted,
            rows=min(settings.validation_rows, len(validation)),
            k=k,
            model=new_step(model, train, fitted, settings),
            args=_arguments(settings, checkpoint_folder(output), every),
            train_dataset=Rows(rows),
            eval_dataset=Rows(np.arange(len(validation))),
            data_collator=partial(collate, train),
            callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience), *callbacks],
        )
        trainer.train(resume_from_checkpoint=checkpoint)
        best = best_metrics(trainer.state.log_history, settings.best_by)
        save(model.eval(), config, data, folder)
        (folder / "settings.json").write_text(settings.model_dump_json(indent=1), encoding="utf-8")
        trainer.state.save_to_json(str(folder / "trainer_state.json"))
    shutil.rmtree(checkpoint_folder(output), ignore_errors=True)
    return Trained(best, trainer.state.global_step, time.monotonic() - started)


def _cut_off(settings: TrainingSettings, fitted: FittedSchema) -> int:
    """The k of the metric that picks the checkpoint."""
    name, _, k = settings.best_by.partition("@")
    items = fitted.items - FIRST_KNOWN_ID
    if int(k) >= items and name not in ("ndcg", "map", "mrr"):
        raise DataError(
            f"{settings.best_by} over a catalogue of {items} items is the same for every model: "
            f"pick the checkpoint with --best-by ndcg@{min(items, 20)}"
        )
    return int(k)


def best_metrics(history: Sequence[dict[str, float]], best_by: str) -> dict[str, float]:
    """The validation metrics of the evaluation that picked the checkpoint."""
    logs = [log for log in history if f"eval_{best_by}" in log]
    best = max(logs, key=lambda log: log[f"eval_{best_by}"])
    return {name.removeprefix("eval_"): value for name, value in best.items() if name.startswith("eval_")}


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
        metric_for_best_model=f"eval_{settings.best_by}",
        greater_is_better=True,
        logging_steps=max(every // 4, 1),
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=not sys.stderr.isatty(),
    )
