"""The plot of latency against throughput of `benchmarks.serving`: a line per model, a point per concurrency."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.serving_repository import IDENTITY, IDENTITY_SMALL
from benchmarks.serving_results import (
    COMPILED,
    FUSED,
    FUSED_IN_PROCESS,
    IN_PROCESS,
    INTERPRETED,
    NVTABULAR_IN_PROCESS,
    PREPROCESS_IN_PROCESS,
    Cell,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from client.perf_analyzer import Measurement


class Look(NamedTuple):
    """The style of a model; its marker distinguishes it from the others if its colour does not."""

    color: str
    marker: str
    label: str


# Okabe and Ito's palette, which colour-blind readers can distinguish.
SERVED = {
    INTERPRETED: Look("#D55E00", "s", "recommend_nvtabular: NVTabular's interpreter"),
    COMPILED: Look("#0072B2", "D", "recommend: compiled workflow"),
    FUSED: Look("#009E73", "o", "recommend_fused: the chain as one graph"),
    IDENTITY: Look("#000000", "^", "identity: a constant answer, same request"),
    IDENTITY_SMALL: Look("#808080", "v", "identity_small: a constant answer, one number"),
}
WITHOUT_SERVER = {
    NVTABULAR_IN_PROCESS: Look("#D55E00", "s", "NVTabular's interpreter alone"),
    FUSED_IN_PROCESS: Look("#009E73", "o", "the chain as one graph"),
    PREPROCESS_IN_PROCESS: Look("#0072B2", "D", "compiled workflow alone"),
}


def draw(measured: Mapping[Cell, Measurement], path: Path) -> None:
    """Write the figure as SVG; the same numbers give the same bytes."""
    import matplotlib as mpl

    # Text stays text in the reader's sans-serif font; ids depend on a fixed salt; no date.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "naiad", "font.sans-serif": ["DejaVu Sans"]}):
        figure(measured).savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def figure(measured: Mapping[Cell, Measurement]) -> Figure:
    """Plot throughput against latency, both logarithmic: better is to the lower right."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7.2, 5.6), layout="constrained", facecolor="white")
    axes = drawn.add_subplot()
    lines = [_line(axes, measured, name, look) for name, look in SERVED.items()]
    markers = [_marker(axes, measured[Cell(name, IN_PROCESS)], look) for name, look in WITHOUT_SERVER.items()]
    axes.set(xscale="log", yscale="log", xlabel="throughput (rows per second)", ylabel="latency, p50 (ms)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
    axes.margins(x=0.07, y=0.08)
    axes.grid(color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    bold = {"weight": "bold"}
    drawn.legend(
        handles=lines, title="Triton, 1, 4 and 16 requests in flight", title_fontproperties=bold,
        loc="outside lower left", alignment="left", frameon=False,
    )  # fmt: skip
    drawn.legend(
        handles=markers, title="in process, one thread", title_fontproperties=bold,
        loc="outside lower right", alignment="left", frameon=False,
    )  # fmt: skip
    return drawn


def _line(axes: Axes, measured: Mapping[Cell, Measurement], name: str, look: Look) -> Line2D:
    points = sorted((cell.concurrency, m) for cell, m in measured.items() if cell.name == name)
    x = [m.per_second for _, m in points]
    y = [m.p50_us / 1000 for _, m in points]
    (line,) = axes.plot(x, y, color=look.color, marker=look.marker, markersize=5.5, linewidth=1.6, label=look.label)
    for (concurrency, _), place in zip(points, zip(x, y, strict=True), strict=True):
        axes.annotate(
            str(concurrency), place, xytext=(-5, 2), textcoords="offset points",
            ha="right", va="bottom", fontsize=7.5, color=look.color,
        )  # fmt: skip
    return line


def _marker(axes: Axes, alone: Measurement, look: Look) -> Line2D:
    (point,) = axes.plot(
        [alone.per_second], [alone.p50_us / 1000], color=look.color, marker=look.marker, markersize=7,
        markerfacecolor="white", markeredgewidth=1.6, linestyle="none", label=look.label,
    )  # fmt: skip
    return point
