"""SASRec, SHAN or SINE of RecBole 1.2.1 on its bundled MovieLens-100K: seconds per epoch, validation and test metrics.

Leave-one-out (`LS: valid_and_test`), whole catalogue, items seen before not filtered (`repeatable`), histories of 50,
RecBole's default settings, which --set changes: --set learning_rate=0.003. The epoch with the best validation MRR@10 is
tested. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.rivals.recbole_data import MODELS, build, configure, prefixes, prepare, repair_order


class _OutOfTime(Exception):
    """The time budget is spent."""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train one model and return its figures."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    split = options.dump_split and options.dump_split.absolute()
    os.chdir(options.work)
    settings = {"epochs": options.epochs, "stopping_step": options.stopping_step, "checkpoint_dir": "saved"}
    config = configure(options.model, {**settings, "seed": options.seed, **dict(options.set)})
    began = time.perf_counter()
    dataset, train, validation, test = prepare(config)
    prepared = time.perf_counter() - began
    if split:
        from benchmarks.rivals.split import from_prefixes, write_split

        write_split(from_prefixes(*map(prefixes, (train, validation, test))), split)
    figures = {
        "rival": "recbole 1.2.1",
        "model": options.model,
        "users": dataset.user_num - 1,
        "items": dataset.item_num - 1,
        "train_rows": len(train._dataset),
        "threads": torch.get_num_threads(),
        "prepare_seconds": round(prepared, 2),
    }
    return figures | (fit(options, config, train, validation, test) if options.epochs else {})


def fit(options: argparse.Namespace, config: Any, train: Any, validation: Any, test: Any) -> dict[str, Any]:
    """Train, with the time of each epoch, and test the best one; `busy` as in `leave_one_out.Curve`."""
    import torch
    from recbole.utils import get_trainer

    model = build(config, train)
    if options.repair_order:
        repair_order(model)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    seconds = timed(trainer, "_train_epoch")
    validated = timed(trainer, "_valid_epoch")
    history: list[float] = []
    began, worked = time.perf_counter(), time.process_time()

    def after_epoch(_: int, score: float) -> None:
        history.append(float(score))
        if options.budget_s and time.perf_counter() - began > options.budget_s:
            raise _OutOfTime

    ended = "stopped early or all epochs"
    try:
        trainer.fit(train, validation, verbose=False, callback_fn=after_epoch)
    except _OutOfTime:
        ended = f"budget of {options.budget_s} s"
    total = time.perf_counter() - began
    busy = (time.process_time() - worked) / total / torch.get_num_threads()
    best = {name: round(float(value), 4) for name, value in trainer.best_valid_result.items()}
    tested = trainer.evaluate(test, load_best_model=True)
    return {
        "epochs": len(seconds),
        "best_epoch": max(range(len(history)), key=history.__getitem__) + 1,
        "ended": ended,
        "seconds_per_epoch": round(sum(seconds) / len(seconds), 3),
        "epoch_seconds": [round(each, 2) for each in seconds],
        "validation_seconds": round(sum(validated) / len(validated), 3),
        "fit_seconds": round(total, 1),
        "busy": round(busy, 2),
        "repaired_order": options.repair_order,
        "validation": best,
        "test": {name: round(float(value), 4) for name, value in tested.items()},
        "checkpoint": str(Path(trainer.saved_model_file).absolute()),
    }


def timed(trainer: Any, name: str) -> list[float]:
    """Replace a method by one that appends its seconds to the returned list."""
    seconds: list[float] = []
    method = getattr(trainer, name)

    def call(*arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        result = method(*arguments, **named)
        seconds.append(time.perf_counter() - began)
        return result

    setattr(trainer, name, call)
    return seconds


def setting(text: str) -> tuple[str, Any]:
    """Return key and value of `key=value`; the value is JSON, or else text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals.run_recbole", description=__doc__)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--epochs", type=int, default=300, help="0 only splits (default %(default)s)")
    parser.add_argument("--stopping-step", type=int, default=10, help="epochs without a better validation, to the end")
    parser.add_argument("--budget-s", type=float, help="end after the epoch in which the training took longer, seconds")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repair-order", action="store_true", help="SHAN: rank the sequences that it was trained on")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--dump-split", type=Path, metavar="FILE.parquet", help="write its train, validation, test rows"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/rivals/recbole_work"), help="folder for what it writes")
    print(json.dumps(run(parser.parse_args())), flush=True)


if __name__ == "__main__":
    main()
