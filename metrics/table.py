"""The metrics table on a terminal: one row per metric, one column per model, the best of each row in bold.

Models are the columns because they are few; six metrics at two cut-offs would not fit next to each other.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text


def metrics_table(rows: Mapping[str, Mapping[str, float]], title: str | None = None) -> Table:
    """Return the table of `rows`, {model: {metric: value}}; a metric that a model lacks is shown as a dash.

    Metrics are in the order of first occurrence. Higher is better; values that print alike are equally best.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("metric", no_wrap=True)
    for name in rows:
        table.add_column(Text(name), justify="right", overflow="fold")
    for metric in dict.fromkeys(metric for values in rows.values() for metric in values):
        cells = [f"{values[metric]:.4f}" if metric in values else "-" for values in rows.values()]
        best = max((values[metric] for values in rows.values() if metric in values), default=0.0)
        styles = ["bold" if len(rows) > 1 and cell == f"{best:.4f}" else "" for cell in cells]
        table.add_row(metric, *(Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)))
    return table
