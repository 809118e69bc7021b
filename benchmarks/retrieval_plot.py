"""The plot of recall against queries per second of `benchmarks.retrieval`: a line per index, a point per setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.retrieval_results import EXACT, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which colour-blind readers can distinguish.
LOOKS = {
    "hnsw efSearch": ("#0072B2", "o", "HNSW, by efSearch"),
    "ivf nprobe": ("#D55E00", "s", "IVF, by nprobe"),
}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure as SVG; the same numbers give the same bytes."""
    import matplotlib as mpl

    # Text stays text in the reader's sans-serif font; ids depend on a fixed salt; no date.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "naiad", "font.sans-serif": ["DejaVu Sans"]}):
        figure(rows).savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def figure(rows: Sequence[Row]) -> Figure:
    """Plot queries per second against 1 - recall, both logarithmic: better is to the lower right."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7.2, 4.6), layout="constrained", facecolor="white")
    axes = drawn.add_subplot()
    for kind, (color, marker, label) in LOOKS.items():
        points = [row for row in rows if row.name.startswith(kind)]
        x = [row.per_second for row in points]
        y = [max(1 - row.recall, 1e-4) for row in points]
        axes.plot(x, y, color=color, marker=marker, markersize=5.5, linewidth=1.6, label=label)
        for row, place in zip(points, zip(x, y, strict=True), strict=True):
            axes.annotate(
                row.name.rpartition("=")[2], place, xytext=(5, 3), textcoords="offset points",
                fontsize=7.5, color=color,
            )  # fmt: skip
    exact = next(row for row in rows if row.name == EXACT)
    axes.axvline(exact.per_second, color="#000000", linewidth=1.2, label="exact search")
    axes.axvline(5 * exact.per_second, color="#000000", linewidth=1.0, linestyle="--", label="5 times exact search")
    axes.axhline(0.01, color="#808080", linewidth=1.0, linestyle=":", label="recall@100 of .99")
    axes.set(
        xscale="log", yscale="log", xlabel=f"queries a second, {exact.vectors:,} vectors, 2 cores",
        ylabel="1 - recall@100",
    )  # fmt: skip
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    drawn.legend(loc="outside lower center", ncols=3, frameon=False)
    return drawn
