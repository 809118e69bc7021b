from __future__ import annotations

from io import StringIO

from rich.console import Console

from metrics.table import metrics_table


def render(rows: dict[str, dict[str, float]]) -> list[str]:
    out = StringIO()
    Console(file=out, width=80, force_terminal=True, color_system="standard").print(metrics_table(rows))
    return out.getvalue().splitlines()


def test_the_best_of_each_metric_is_bold_and_a_missing_one_is_a_dash() -> None:
    lines = render({"model": {"ndcg@20": 0.2, "recall@20": 0.1}, "popularity": {"ndcg@20": 0.1}})
    ndcg, recall = lines[3], lines[4]
    assert "\x1b[1m0.2000" in ndcg
    assert "\x1b[1m0.1000" not in ndcg
    assert "0.1000" in ndcg
    assert "\x1b[1m0.1000" in recall
    assert " - " in recall


def test_a_single_model_has_no_best() -> None:
    assert not any("\x1b[1m0.2000" in line for line in render({"model": {"ndcg@20": 0.2}}))


def test_six_metrics_at_three_cut_offs_of_four_models_fit_into_eighty_columns() -> None:
    names = ("offline_online", "popularity", "popularity_7_days", "own_frequent")
    values = {f"{metric}@{k}": 0.1 for k in (5, 10, 20) for metric in ("ndcg", "precision", "hit_rate")}
    lines = render(dict.fromkeys(names, values))
    assert all(any(f"{metric} " in line for line in lines) for metric in values)
    assert not any("…" in line for line in lines)
