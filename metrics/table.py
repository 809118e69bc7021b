"""The metrics table on a terminal: one row a model, one column a metric, each column's best in bold."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table


def metrics_table(rows: Mapping[str, Mapping[str, float]], title: str | None = None) -> Table:
    """`rows`: {name of the model: {name of the metric: value}}; a metric that a row lacks shows as a dash.

    The columns come in the order of first mention. Higher is better; equal bests are all bold.
    """
    columns = list(dict.fromkeys(metric for values in rows.values() for metric in values))
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for metric in columns:
        table.add_column(metric, justify="right", no_wrap=True)
    best = {metric: max(values[metric] for values in rows.values() if metric in values) for metric in columns}
    for name, values in rows.items():
        table.add_row(name, *(_cell(values.get(metric), best[metric], len(rows) > 1) for metric in columns))
    return table


def _cell(value: float | None, best: float, compared: bool) -> str:
    if value is None:
        return "-"
    text = f"{value:.4f}"
    return f"[bold]{text}[/bold]" if compared and text == f"{best:.4f}" else text
