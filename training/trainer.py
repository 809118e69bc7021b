"""Training with `transformers.Trainer`: seeds, resuming, early stopping on whole-catalogue ranking, a progress bar."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from preprocessing.schema import read_fitted
from stage.errors import BadInput
from stage.inputs import require_apart
from stage.output import whole_folder
from training import ranks
from training.checkpoint import new_model, save
from training.early import COMMAND, before_fit, cut_off
from training.failures import enough_memory, written
from training.families import find
from training.families.config import FamilyConfig
from training.families.family import Rows
from training.ranking import model_scorer, rank_split
from training.resume import begin, checkpoint_folder
from training.settings import TrainingSettings

# Checkpoints within one second are still ordered by their steps; the Trainer's warning reads like a fault.
logging.getLogger("transformers.trainer_utils").addFilter(lambda record: "mtime may not" not in record.getMessage())


class LossError(BadInput):
    """The loss of a step is not a finite number."""


class DeviceError(BadInput):
    """The device does not support a setting."""


@dataclass(frozen=True)
class Trained:
    """The result of a run.

    validation: metrics of the best evaluation, after `best_step` steps. steps: number of steps done, of `planned`.
    seconds: duration of this process.
    """

    validation: dict[str, float]
    steps: int
    seconds: float
    best_step: int
    planned: int

    @property
    def stopped_early(self) -> bool:
        return self.steps < self.planned


class RankingTrainer(Trainer):  # type: ignore[misc]
    """A Trainer that evaluates by ranking the whole catalogue, at the cut-off `k`.

    With several processes, the first evaluates for all: each has the same metrics, and stops at the same step.
    """

    def __init__(self, validation: Rows, rows: int, k: int, **arguments: Any) -> None:
        super().__init__(eval_dataset=range(len(validation)), **arguments)
        self._validation, self._k = validation, k
        self._rows = np.unique(np.linspace(0, len(validation) - 1, rows).astype(np.int64))

    def get_train_dataloader(self) -> DataLoader[Any]:
        sampler = self.train_dataset.batches(self.args.train_batch_size, self.args.data_seed)
        if sampler is None:
            loader: DataLoader[Any] = super().get_train_dataloader()
            return loader
        batches = DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)
        prepared: DataLoader[Any] = self.accelerator.prepare(batches)
        return prepared

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        loss: torch.Tensor = super().training_step(*arguments, **named)
        if not torch.isfinite(loss):
            folder = Path(self.args.output_dir)
            kept = [int(path.name.rpartition("-")[2]) for path in folder.glob("checkpoint-*")]
            last = f"the checkpoint of step {max(kept)} is whole in {folder}" if kept else "no checkpoint was written"
            raise LossError(
                f"step {self.state.global_step + 1}: the loss is {loss.item()}: train with a lower --learning-rate or "
                f"--max-gradient-norm; {last}"
            )
        return loss

    def evaluate(self, *_: object, metric_key_prefix: str = "eval", **__: object) -> dict[str, float]:
        metrics: dict[str, float] = {}
        with ranks.together():
            if ranks.is_first():
                scorer = model_scorer(self.model.model)
                metrics = rank_split(scorer, self._validation, ks=(self._k,), rows=self._rows)
        named = {f"{metric_key_prefix}_{name}": value for name, value in ranks.from_first(metrics).items()}
        self.log(named)
        control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)  # type: ignore[has-type]
        self.control = control
        return named


@enough_memory()
def fit(
    data: str | Path,
    output: str | Path,
    config: FamilyConfig,
    settings: TrainingSettings,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
    inputs: Sequence[Path] = (),
) -> Trained:
    """Train on DATA's train rows and write MODEL (see `training.checkpoint`), completely or not at all.

    Trainer checkpoints are kept in `OUTPUT.checkpoints` until the run ends; `resume` continues from the latest, with
    the random numbers of an uninterrupted run. `inputs`: other paths that OUTPUT must not contain.

    If torchrun starts several processes, each takes its share of the rows, and only the first writes.
    """
    started = time.monotonic()
    data, scratch, family = Path(data), checkpoint_folder(output), find(config.family)
    ranks.join()
    with ranks.together():
        first = ranks.is_first()
        fitted = before_fit(data, output, config, settings, resume, overwrite) if first else read_fitted(data)
        set_seed(settings.seed)
        model = new_model(data, fitted, config)
        examples = family.examples(data, fitted, config, settings)
        validation = family.rows(data, "validation", fitted, config)
    with ExitStack() as stack:
        folder = checkpoint = None
        with ranks.together():
            if first:
                read = [data, *inputs]
                folder = stack.enter_context(whole_folder(output, overwrite, read, COMMAND))
                require_apart(scratch, read)
                checkpoint = begin(output, fitted, config, settings, resume)
        checkpoint = ranks.from_first(checkpoint)
        stack.enter_context(written(scratch))
        with ranks.together():
            trainer = RankingTrainer(
                validation=validation,
                rows=min(settings.validation_rows, len(validation)),
                k=cut_off(settings, fitted),
                model=family.step(model, examples, fitted, settings),
                args=_arguments(settings, scratch, len(examples)),
                train_dataset=examples,
                data_collator=examples.collate,
                callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience), *callbacks],
            )
        trainer.train(resume_from_checkpoint=checkpoint)
        state = trainer.state
        best = best_evaluation(state.log_history, settings.best_by)
        ranks.from_first(None)  # every process has read the best checkpoint before it is deleted
        if folder is not None:
            save(model.eval(), config, data, folder)
            (folder / "settings.json").write_text(settings.model_dump_json(indent=1), encoding="utf-8")
            state.save_to_json(str(folder / "trainer_state.json"))
    if first:
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = time.monotonic() - started
    trained = Trained(metrics_of(best), state.global_step, seconds, int(best["step"]), state.max_steps)
    if trained.stopped_early and first:
        print(
            f"naiad: stopped after {trained.steps} of {trained.planned} steps, as {settings.best_by} did not rise in "
            f"{settings.patience} evaluations; kept: step {trained.best_step}, {settings.best_by} "
            f"{trained.validation[settings.best_by]:.4f}",
            file=sys.stderr,
        )
    return trained


def best_evaluation(history: Sequence[dict[str, float]], best_by: str) -> dict[str, float]:
    """Return the Trainer's log of the evaluation that picked the checkpoint."""
    logs = [log for log in history if f"eval_{best_by}" in log]
    return max(logs, key=lambda log: log[f"eval_{best_by}"])


def metrics_of(evaluation: dict[str, float]) -> dict[str, float]:
    """Return the metrics of such a log, without the Trainer's prefix."""
    return {name.removeprefix("eval_"): value for name, value in evaluation.items() if name.startswith("eval_")}


def warmup_steps(settings: TrainingSettings, steps: int) -> int:
    """Return the number of warmup steps of a run of `steps`: a quarter if the setting would be more than half."""
    return settings.warmup_steps if 2 * settings.warmup_steps <= steps else steps // 4


def _arguments(settings: TrainingSettings, scratch: Path, examples: int) -> TrainingArguments:
    has_gpu = torch.cuda.is_available()
    steps_per_epoch = math.ceil(examples / (settings.batch_size * ranks.count()))
    every = math.ceil(steps_per_epoch / settings.evaluations_per_epoch)
    if settings.bf16 and has_gpu and not torch.cuda.is_bf16_supported():
        raise DeviceError("--bf16: this GPU does not compute in bfloat16: leave it out")
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=warmup_steps(settings, steps_per_epoch * settings.epochs),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        bf16=settings.bf16,
        use_cpu=not has_gpu,
        ddp_find_unused_parameters=True,  # an encoder that reads vectors does not use its own table of words
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
        dataloader_pin_memory=has_gpu,
        disable_tqdm=not sys.stderr.isatty(),
    )
