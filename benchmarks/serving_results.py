"""Results of `benchmarks.serving`: the best window of each cell and the ratios between them, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

from benchmarks.serving_repository import IDENTITY

if TYPE_CHECKING:
    from client.perf_analyzer import Measurement

FUSED, COMPILED, INTERPRETED = "recommend_fused", "recommend", "recommend_nvtabular"
FUSED_IN_PROCESS, FUSED_PACED = "fused_in_process", "fused_in_process_paced"
PREPROCESS_IN_PROCESS, NVTABULAR_IN_PROCESS = "preprocess_in_process", "nvtabular_in_process"
IN_PROCESS = 0


class Cell(NamedTuple):
    """A cell of the measurement: a model and the number of requests in flight, `IN_PROCESS` without a server."""

    name: str
    concurrency: int


class Ratio(NamedTuple):
    """A ratio of one run; `target` is its upper or lower bound, or None if the ratio only explains another."""

    name: str
    what: str
    at_most: bool
    target: float | None
    reached: float

    @property
    def holds(self) -> bool:
        if self.target is None:
            return True
        return self.reached <= self.target if self.at_most else self.reached >= self.target


def best_windows(windows: Iterable[tuple[Cell, Measurement]]) -> dict[Cell, Measurement]:
    """Return the window with the lowest p50 of each cell, because other load only adds time. Models as first seen."""
    best: dict[Cell, Measurement] = {}
    for cell, window in windows:
        if cell not in best or window.p50_us < best[cell].p50_us:
            best[cell] = window
    names = list(dict.fromkeys(cell.name for cell in best))
    return {cell: best[cell] for cell in sorted(best, key=lambda cell: (names.index(cell.name), cell.concurrency))}


def ratios(measured: Mapping[Cell, Measurement]) -> tuple[Ratio, ...]:
    """Return the ratios with targets for the served chain."""
    identity, fused = measured[Cell(IDENTITY, 1)], measured[Cell(FUSED, 1)]
    compiled, interpreted = measured[Cell(COMPILED, 1)], measured[Cell(INTERPRETED, 1)]
    limit, paced = (measured[Cell(name, IN_PROCESS)] for name in (FUSED_IN_PROCESS, FUSED_PACED))
    at_16 = {name: measured[Cell(name, 16)].per_second for name in (IDENTITY, COMPILED, INTERPRETED)}
    return (
        Ratio(
            "fused_above_identity",
            f"({FUSED} p50 - {IDENTITY} p50) / {FUSED_IN_PROCESS} p50, concurrency 1",
            True, 1.5, (fused.p50_us - identity.p50_us) / limit.p50_us,
        ),
        Ratio(
            "fused_above_identity_paced",
            f"the same with {FUSED_PACED} p50",
            True, None, (fused.p50_us - identity.p50_us) / paced.p50_us,
        ),
        Ratio(
            "p50_compiled",
            f"{INTERPRETED} p50 / {COMPILED} p50, concurrency 1",
            False, 10, interpreted.p50_us / compiled.p50_us,
        ),
        Ratio(
            "throughput_compiled",
            f"{COMPILED} rows per second / {INTERPRETED}'s, concurrency 16",
            False, 20, at_16[COMPILED] / at_16[INTERPRETED],
        ),
        Ratio(
            "throughput_identity",
            f"the same of {IDENTITY}: no model on this request has more",
            False, None, at_16[IDENTITY] / at_16[INTERPRETED],
        ),
    )  # fmt: skip


def to_json(measured: Mapping[Cell, Measurement], reached: Sequence[Ratio]) -> dict[str, Any]:
    """Return the last line: a row for each cell, the ratios by name."""
    return {
        "rows": [
            {"name": name, "concurrency": n, "p50_us": m.p50_us, "p99_us": m.p99_us, "per_second": m.per_second}
            for (name, n), m in measured.items()
        ],
        "ratios": {each.name: round(each.reached, 3) for each in reached},
    }


def latency_table(measured: Mapping[Cell, Measurement]) -> Table:
    table = Table(title="One row per request, gRPC; concurrency 0 is in process, one thread", title_justify="left")
    table.add_column("model")
    for column in ("concurrency", "p50 µs", "p99 µs", "rows per second"):
        table.add_column(column, justify="right")
    for (name, concurrency), m in measured.items():
        table.add_row(name, str(concurrency), f"{m.p50_us:,.0f}", f"{m.p99_us:,.0f}", f"{m.per_second:,.1f}")
    return table


def ratio_table(reached: Sequence[Ratio]) -> Table:
    table = Table(title="Ratios of this run", title_justify="left")
    table.add_column("ratio")
    for column in ("target", "reached", ""):
        table.add_column(column, justify="right")
    for each in reached:
        target = "" if each.target is None else f"{'≤' if each.at_most else '≥'} {each.target:g}"
        table.add_row(each.what, target, f"{each.reached:.2f}", ("yes" if each.holds else "no") if target else "")
    return table
