from __future__ import annotations

from io import StringIO

from rich.console import Console

from metrics.table import metrics_table


def render(rows: dict[str, dict[str, float]]) -> str:
    out = StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="standard").print(metrics_table(rows, title="test"))
    return out.getvalue()


def test_the_best_of_each_column_is_bold_and_a_missing_metric_is_a_dash() -> None:
    text = render({"model": {"ndcg@20": 0.2, "recall@20": 0.1}, "popularity": {"ndcg@20": 0.1}})
    assert "\x1b[1m0.2000" in text
    assert "\x1b[1m0.1000" in text.splitlines()[4]
    assert "\x1b[1m" not in text.splitlines()[5]
    assert " - " in text


def test_a_single_row_has_no_best() -> None:
    assert "\x1b[1m0.2000" not in render({"model": {"ndcg@20": 0.2}})
