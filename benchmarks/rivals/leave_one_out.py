"""MovieLens-1M under leave-one-out for the rivals, and the ranking metrics with which all of them are measured.

The file has the columns `user_id`, `position` and `item_id`. The last item of a user is the test target, the one before
it the validation target, the rest the train part. The whole catalogue is ranked without the items of the history.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import torch

NEVER = 2**31
"""Rank of a target that cannot be recommended."""

Scores = Callable[[list["np.ndarray[Any, Any]"]], torch.Tensor]
"""Function from B histories of items 0 to I-1, oldest first, to scores `[B, I]`."""


@dataclass(frozen=True)
class Log:
    """Sequences of at least three items.

    Attributes:
        sequences: One array per user of items 0 to I-1, oldest first.
        items: Number of items I.

    """

    sequences: list[np.ndarray[Any, Any]]
    items: int

    def train(self) -> list[np.ndarray[Any, Any]]:
        """Return the train part of each user."""
        return [sequence[:-2] for sequence in self.sequences]


def read_log(path: Path) -> Log:
    """Read a Parquet file, or the Parquet files of a folder."""
    table = pq.read_table(path, columns=["user_id", "position", "item_id"])
    table = table.sort_by([("user_id", "ascending"), ("position", "ascending")])
    names, items = np.unique(table["item_id"].to_numpy(), return_inverse=True)
    _, starts = np.unique(table["user_id"].to_numpy(), return_index=True)
    sequences = [sequence for sequence in np.split(items, starts[1:]) if len(sequence) > 2]
    return Log(sequences, len(names))


@torch.no_grad()
def evaluate(scores: Scores, log: Log, part: Literal["validation", "test"], batch: int = 256) -> dict[str, float]:
    """Return NDCG@10 and HR@10 of the next item; a tie counts against the model.

    With one target, NDCG@10 = 1 / log2(1 + rank) if rank <= 10, else 0.
    """
    cut = -1 if part == "test" else -2
    ranks = []
    for start in range(0, len(log.sequences), batch):
        chosen = log.sequences[start : start + batch]
        histories = [sequence[:cut] for sequence in chosen]
        targets = torch.tensor([int(sequence[cut]) for sequence in chosen])
        found = scores(histories).float()
        rows = torch.repeat_interleave(torch.arange(len(chosen)), torch.tensor([len(each) for each in histories]))
        own = found.gather(1, targets[:, None])
        found[rows, torch.from_numpy(np.concatenate(histories))] = -torch.inf
        found.scatter_(1, targets[:, None], -torch.inf)
        rank = 1 + (found >= own).sum(1)
        # a target without a score, because the train part lacks it, is never found
        ranks.append(torch.where(own[:, 0].isfinite(), rank, NEVER))
    rank = torch.cat(ranks).double()
    top = rank <= 10
    gains = torch.where(top, 1 / torch.log2(1 + rank), 0.0)
    return {"ndcg@10": round(gains.mean().item(), 4), "hit_rate@10": round(top.double().mean().item(), 4)}


def padded(histories: list[np.ndarray[Any, Any]], length: int, padding: int, shift: int = 0) -> torch.Tensor:
    """Return the newest items, each plus `shift`, right-aligned `[B, length]`."""
    rows = np.full((len(histories), length), padding, dtype=np.int64)
    for row, history in zip(rows, histories, strict=True):
        newest = history[-length:]
        row[length - len(newest) :] = newest + shift
    return torch.from_numpy(rows)


class Curve:
    """The seconds of each epoch and the validation metrics after some of them, outside of these seconds."""

    def __init__(self, log: Log, scores: Scores, every: int) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.validation: list[dict[str, float]] = []
        self._log, self._scores, self._every = log, scores, every

    def begin_epoch(self) -> None:
        """Start the clock."""
        self._began = time.perf_counter(), time.process_time()

    def end_epoch(self) -> None:
        """Stop the clock; measure the quality where it is due."""
        self.seconds.append(round(time.perf_counter() - self._began[0], 2))
        self.cpu_seconds.append(round(time.process_time() - self._began[1], 2))
        if self._every and len(self.seconds) % self._every == 0:
            found = evaluate(self._scores, self._log, "validation")
            self.validation.append({"epoch": len(self.seconds), **found})

    def figures(self) -> dict[str, Any]:
        """Return the seconds per epoch, without the first one, and the metrics of the last epoch.

        `busy` is the share of the epochs in which all threads ran: far below 1, the machine did other work too.
        """
        later = self.seconds[1:] or self.seconds
        worked = self.cpu_seconds[-len(later) :]
        began = time.perf_counter()
        test = evaluate(self._scores, self._log, "test")
        return {
            "seconds_per_epoch": round(sum(later) / len(later), 2),
            "epoch_seconds": self.seconds,
            "busy": round(sum(worked) / sum(later) / torch.get_num_threads(), 2),
            "evaluation_seconds": round(time.perf_counter() - began, 2),
            "curve": self.validation,
            "validation": evaluate(self._scores, self._log, "validation"),
            "test": test,
        }


def command(module: str, doc: str | None, run: Callable[[argparse.Namespace], dict[str, Any]]) -> None:
    """Run a rival's training with the common flags and print its figures as one line of JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.rivals.{module}", description=doc)
    parser.add_argument("--source", type=Path, required=True, help="Parquet file of user_id, position, item_id")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--bucket-size", type=int, default=32, help="RePlay: rows that its encoder takes at once")
    parser.add_argument("--evaluate-every", type=int, default=0, metavar="N", help="validation metrics per N epochs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    kept = ("epochs", "length", "batch_size", "dim", "blocks", "heads", "dropout", "learning_rate", "seed")
    settings = {name: getattr(options, name) for name in kept} | {"threads": torch.get_num_threads()}
    print(json.dumps({**run(options), "settings": settings}), flush=True)
