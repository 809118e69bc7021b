"""Evaluation of all rows over the whole catalogue: `rank_split` next to the plain way, in one run.

The scorer is a random matrix factorization, on histories of random items. The plain way copies the scores of 256 rows,
masks the copy, and searches every row whole for NaN and for its best items. Sizes are those of MovieLens-1M and of
Diginetica. Seconds are the best of `--repeats`. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from stage.arguments import positive
from stage.command import Parser, print_result, run_command

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    Array = npt.NDArray[np.int64]

CONSOLE = Console(stderr=True)
KS = (10, 20)
DIM = 64
PLAIN_ROWS = 256


@dataclass(frozen=True)
class Size:
    """R rows with histories of a given length over a catalogue of I items."""

    name: str
    rows: int
    items: int
    length: int


SIZES = Size("ml-1m", 6_040, 3_419, 165), Size("diginetica", 60_858, 43_100, 5)


@dataclass(frozen=True)
class RandomBatch:
    """B rows: index [B], vectors [B, D], seen items [B, L]."""

    index: Array
    features: dict[str, Tensor]
    excluded: tuple[Tensor, ...]


class RandomRows:
    """Rows of random users, with one random target each."""

    def __init__(self, size: Size) -> None:
        import numpy as np
        import torch

        torch.manual_seed(0)
        self.users, self.items = torch.randn(size.rows, DIM), torch.randn(size.items, DIM)
        self._seen = torch.randint(3, size.items, (size.rows, size.length))
        self._targets = np.random.default_rng(0).integers(3, size.items, (size.rows, 1))

    def __len__(self) -> int:
        return len(self.users)

    def batch(self, rows: Array) -> RandomBatch:
        return RandomBatch(rows, {"user": self.users[rows]}, (self._seen[rows],))

    def target_lists(self, rows: Array) -> list[Array]:
        return list(self._targets[rows])

    def score(self, batch: Any) -> Tensor:
        vectors: Tensor = batch.features["user"]
        return vectors @ self.items.T


def plain(data: RandomRows, counts: Array) -> dict[str, float]:
    """Return the metrics the plain way."""
    import numpy as np
    import torch

    from metrics import ListMetrics, RankingMetrics, target_ranks_from_scores
    from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID

    metrics, lists = RankingMetrics(KS), ListMetrics(counts, KS, FIRST_KNOWN_ID)
    for start in range(0, len(data), PLAIN_ROWS):
        rows = np.arange(start, min(start + PLAIN_ROWS, len(data)))
        batch = data.batch(rows)
        scores = data.score(batch).clone()
        scores[:, :FIRST_KNOWN_ID] = -torch.inf
        for ids in batch.excluded:
            scores = scores.scatter(1, ids, -torch.inf)
        if torch.isnan(scores).any():
            raise ValueError("scores are not numbers")
        metrics.update(target_ranks_from_scores(scores.numpy(), data.target_lists(rows), first_item=FIRST_KNOWN_ID))
        best, ids = torch.topk(scores, max(KS), dim=1)
        lists.update(ids.masked_fill(best == -torch.inf, PADDING_ID).numpy())
    return metrics.compute() | lists.compute()


def ours(data: RandomRows, counts: Array, batch_size: int | None) -> dict[str, float]:
    """Return the metrics of `rank_split`."""
    from training.ranking import rank_split

    return rank_split(data.score, data, KS, counts=counts, batch_size=batch_size)


def run(sizes: list[Size], repeats: int) -> None:
    """Measure both ways at every size, in turns."""
    import numpy as np

    results = []
    for size in sizes:
        CONSOLE.print(f"[dim]{size.name}")
        data, counts = RandomRows(size), np.ones(size.items, dtype=np.int64)
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(repeats):
            seconds["plain"].append(_timed(plain, data, counts))
            seconds["ours"].append(_timed(ours, data, counts, None))
        before, after = (min(taken) for taken in seconds.values())
        results.append(
            {
                **{"size": size.name, "rows": size.rows, "items": size.items, "plain_seconds": round(before, 2)},
                **{"seconds": round(after, 2), "times_faster": round(before / after, 1)},
                "identical": ours(data, counts, PLAIN_ROWS) == plain(data, counts),
            }
        )
    table = Table(*results[0], title="evaluation over the whole catalogue", title_justify="left")
    for each in results:
        table.add_row(*(str(value) if isinstance(value, str | bool) else f"{value:,}" for value in each.values()))
    Console().print(table)
    print_result({"rows": results})


def _timed(work: Callable[..., object], *options: object) -> float:
    began = time.monotonic()
    work(*options)
    return time.monotonic() - began


def main() -> None:
    parser = Parser(prog="python -m benchmarks.evaluation", description=__doc__)
    names = [size.name for size in SIZES]
    parser.add_argument("--size", choices=names, action="append", help="one size; may be repeated (default all)")
    parser.add_argument("--repeats", type=positive, default=3, help="number of runs (default %(default)s)")
    arguments = parser.parse_args()
    chosen = [size for size in SIZES if size.name in (arguments.size or names)]
    run_command(lambda: run(chosen, arguments.repeats))


if __name__ == "__main__":
    main()
