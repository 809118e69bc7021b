"""CPU time and peak memory of the next-item losses, forward and backward, by catalogue size.

The first table compares ways to compute the exact softmax, to choose its threshold; the second compares the sampled
losses. The time is the CPU time of all threads, the least of a few runs in turn, so that other processes disturb it
little; with OMP_NUM_THREADS=1 they disturb it least. `--memory` also measures peak memory, in a process per loss and
size, which takes much longer. Prints both tables, then one line of JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.peak_memory import measured_apart
from stage.arguments import positive
from stage.command import Parser, print_result, run_command

if TYPE_CHECKING:
    from torch import Tensor

CONSOLE = Console(stderr=True)
SOFTMAX = ("plain", "built-in auto", "built-in", "own")
SAMPLED = ("masked softmax", "sampled_softmax", "gbce", "bpr_max")
LARGEST_LOGITS = 400_000_000
"""Plain logits above this count (1.6 GB) are not measured."""
ENOUGH_SECONDS = 2.0
RUNS = 5


def run(positions: list[int], items: list[int], dims: list[int], negatives: list[int], memory: bool) -> None:
    """Measure all combinations; the sampled losses with the most positions, the largest catalogue and each width."""
    exact = [
        _compared(SOFTMAX, {"positions": n, "items": i, "dim": d}, memory)
        for d in dims
        for i in items
        for n in positions
    ]
    sampled = [
        _compared(SAMPLED, {"positions": max(positions), "items": max(items), "dim": d, "negatives": k}, memory)
        for d in dims
        for k in negatives
    ]
    _print("Exact softmax", SOFTMAX, exact)
    _print("Sampled losses", SAMPLED, sampled)
    print_result({"softmax": exact, "sampled": sampled})


def _compared(ways: Iterable[str], sizes: dict[str, int], memory: bool) -> dict[str, Any]:
    CONSOLE.print(f"[dim]{', '.join(f'{size:,} {name}' for name, size in sizes.items())}")
    result: dict[str, Any] = {**sizes, "ms": {}, "mb": {}}
    steps = {way: _step(way, sizes) for way in ways if way != "plain" or _logits(sizes) <= LARGEST_LOGITS}
    for step in steps.values():
        step()
    found: dict[str, list[float]] = {way: [] for way in steps}
    while any(len(each) < RUNS and sum(each) < ENOUGH_SECONDS for each in found.values()):
        for way, step in steps.items():
            began = time.process_time()
            step()
            found[way].append(time.process_time() - began)
    result["ms"] = {way: round(1000 * min(each), 1) for way, each in found.items()}
    if memory:
        result["mb"] = {way: round(measured_apart(imports, once, way, sizes)["peak_mb"]) for way in steps}
    return result


def _print(title: str, ways: tuple[str, ...], results: list[dict[str, Any]]) -> None:
    sizes = [name for name in results[0] if name not in ("ms", "mb")]
    table = Table(
        *sizes,
        *(f"{way}, ms (MB)" if results[0]["mb"] else f"{way}, ms" for way in ways),
        title=title,
        title_justify="left",
    )
    for each in results:
        cells = [_cell(each, way) for way in ways]
        table.add_row(*(f"{each[name]:,}" for name in sizes), *cells)
    Console(width=200).print(table)


def _cell(result: dict[str, Any], way: str) -> str:
    if way not in result["ms"]:
        return "–"
    memory = f" ({result['mb'][way]:,})" if way in result["mb"] else ""
    return f"{result['ms'][way]:,.0f}{memory}"


def _logits(sizes: dict[str, int]) -> int:
    return sizes["positions"] * sizes["items"]


def once(way: str, sizes: dict[str, int]) -> None:
    """Run one step."""
    _step(way, sizes)()


def imports() -> None:
    """Import what every way uses, and start its threads."""
    once("built-in", {"positions": 64, "items": 1000, "dim": 8})
    once("own", {"positions": 64, "items": 1000, "dim": 8})


def _step(way: str, sizes: dict[str, int]) -> Callable[[], None]:
    """Return a function that runs one forward and backward pass of a way."""
    import torch

    generator = torch.Generator().manual_seed(0)
    items, dim = sizes["items"], sizes["dim"]
    hidden = torch.randn(sizes["positions"], dim, generator=generator).requires_grad_()
    table = (torch.randn(items, dim, generator=generator) * 0.2).requires_grad_()
    targets = torch.randint(3, items, (sizes["positions"],), generator=generator)
    loss = _sampled(way, sizes) if way in SAMPLED else _softmax(way)

    def step() -> None:
        hidden.grad = table.grad = None
        loss(hidden, table, targets).backward()  # type: ignore[no-untyped-call]

    return step


def _softmax(way: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    from torch.nn import LinearCrossEntropyOptions
    from torch.nn import functional as F

    from training.losses.linear import built_in_options

    def linear(options: Callable[[Tensor], LinearCrossEntropyOptions] | None) -> Callable[..., Tensor]:
        def loss(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
            return F.linear_cross_entropy(hidden, table, targets, options=options(hidden) if options else None)

        return loss

    return {
        "plain": linear(None),
        "built-in auto": linear(lambda _hidden: LinearCrossEntropyOptions()),
        "built-in": linear(built_in_options),
        "own": _own_softmax,
    }[way]


def _own_softmax(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Return the softmax loss by an autograd function of our own, to compare with torch's."""
    import torch

    from training.losses.linear import CHUNK

    class Own(torch.autograd.Function):
        """Logits by chunks of rows, in one buffer; the forward pass computes the gradients."""

        @staticmethod
        def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
            buffer = torch.empty(min(CHUNK, len(hidden)), len(table))
            of_hidden, of_table = torch.empty_like(hidden), torch.zeros_like(table)
            total = torch.zeros(())
            for begin in range(0, len(hidden), CHUNK):
                rows, aim = hidden[begin : begin + CHUNK], targets[begin : begin + CHUNK, None]
                logits = torch.mm(rows, table.T, out=buffer[: len(rows)])
                torch.log_softmax(logits, dim=1, out=logits)
                total -= logits.gather(1, aim).sum()
                share = logits.exp_()
                share.scatter_add_(1, aim, torch.full_like(aim, -1, dtype=share.dtype))
                torch.mm(share, table, out=of_hidden[begin : begin + CHUNK])
                of_table.addmm_(share.T, rows)
            ctx.save_for_backward(of_hidden.div_(len(hidden)), of_table.div_(len(hidden)))
            return total / len(hidden)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
            of_hidden, of_table = ctx.saved_tensors
            return of_hidden * gradient, of_table * gradient, None

    loss: Tensor = Own.apply(hidden, table, targets)  # type: ignore[no-untyped-call]
    return loss


def _sampled(way: str, sizes: dict[str, int]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    import numpy as np

    from training.loss_choice import LossSettings
    from training.losses import NextItemLoss, sampled_softmax

    counts = np.ones(sizes["items"])
    name = "sampled_softmax" if way == "masked softmax" else way
    settings = LossSettings.model_validate({"loss": name, "negatives": sizes["negatives"]})
    loss = NextItemLoss(settings, counts)
    if way != "masked softmax":
        return loss

    def masked(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        drawn, log_q = loss.negatives.draw(len(targets)), loss.negatives.log_q
        positive = (hidden * table[targets]).sum(dim=1)
        is_negative = targets[:, None] != drawn
        return sampled_softmax(
            positive, hidden @ table[drawn].T, is_negative, log_q[targets], log_q[drawn], settings.logq
        )

    return masked


def main() -> None:
    parser = Parser(prog="python -m benchmarks.losses", description=__doc__)
    for name, values, meaning in (
        ("positions", [2048, 8192, 16384], "positions of a batch"),
        ("items", [300, 1000, 3000, 10_000, 40_000, 100_000], "sizes of the catalogue"),
        ("dims", [64, 128], "widths of the vectors"),
        ("negatives", [256, 1000, 3000], "numbers of negatives"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, nargs="+", default=values, metavar="N", help=f"{meaning} (default %(default)s)"
        )
    parser.add_argument("--memory", action="store_true", help="also measure peak memory")
    given = parser.parse_args()
    run_command(lambda: run(given.positions, given.items, given.dims, given.negatives, given.memory))


if __name__ == "__main__":
    main()
