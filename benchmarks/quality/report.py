"""The table of a protocol's figures, and its line of JSON."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from benchmarks.quality.measured import Measured, Metrics, Setting
from benchmarks.quality.protocol import Protocol

DIGITS = 4


def table(protocol: Protocol, family: str, measured: Measured) -> Table:
    """Return a row for the model, each baseline and each published figure; a group of columns per setting."""
    settings = list(measured.models)
    seeds = len(next(iter(measured.models.values())))
    counts = ", ".join(f"{split.replace('_', ' ')} {rows:,} rows" for split, rows in measured.rows.items())
    shown = Table(title=f"{protocol.title} ({counts})", title_justify="left", caption_justify="left")
    several = len({setting.seen for setting in settings}) > 1
    shared = "" if several or not settings[0].filtering else f"in all columns: {settings[0].filtering}"
    shown.caption = "\n".join(filter(None, (shared, _renamed(protocol), protocol.missing)))
    shown.add_column("", min_width=len("popularity"))
    for setting in settings:
        for metric in protocol.metrics:
            words = [setting.split.replace("_", " "), *([setting.filtering] if several else []), metric]
            shown.add_column("\n".join(words), justify="right", vertical="bottom", min_width=len(metric))
    shown.add_column("source", vertical="bottom", overflow="fold")
    own = [_with_deviation(measured, setting, metric) for setting in settings for metric in protocol.metrics]
    shown.add_row(f"{family}, {seeds} seed{'s' * (seeds > 1)}", *own, "this run", style="bold", end_section=True)
    for name in dict.fromkeys(name for found in measured.baselines.values() for name in found):
        found = [measured.baselines[setting].get(name, {}) for setting in settings]
        cells = [_cell(each, metric) for each in found for metric in protocol.metrics]
        shown.add_row(name.replace("_", " "), *cells, "this run")
    shown.add_section()
    blank = [""] * (len(settings) - 1) * len(protocol.metrics)
    for reference in protocol.references:
        cells = [_cell(reference.metrics, metric) for metric in protocol.metrics]
        shown.add_row(reference.name, *cells, *blank, reference.source)
    return shown


def _renamed(protocol: Protocol) -> str:
    other = [f"{name} of the papers is {metric} here" for name, metric in protocol.metrics.items() if name != metric]
    return "; ".join(other)


def _cell(found: Metrics, metric: str) -> str:
    return f"{found[metric]:.4f}" if metric in found else "-"


def _with_deviation(measured: Measured, setting: Setting, metric: str) -> str:
    of = measured.deviations(setting)
    return _cell(measured.means(setting), metric) + (f"\n±{of[metric]:.4f}" if of else "")


def result(name: str, protocol: Protocol, family: str, measured: Measured, seconds: float) -> dict[str, Any]:
    """Return the line of JSON: the first setting's means at its top, the other settings under `also`."""
    first, *others = measured.models
    return {
        "name": name,
        "family": family,
        "seeds": list(measured.models[first]),
        **_setting(measured, first),
        "seconds": round(seconds, 1),
        "reference": [{"name": each.name, **each.metrics, "source": each.source} for each in protocol.references],
        "also": [_setting(measured, setting) for setting in others],
    }


def _setting(measured: Measured, setting: Setting) -> dict[str, Any]:
    runs = {run.seed: run for run in measured.runs if run.split == setting.split}
    return {
        "split": setting.split,
        "exclude_seen": setting.seen,
        "rows": measured.rows[setting.split],
        **_rounded(measured.means(setting)),
        "sd": _rounded(measured.deviations(setting)),
        "per_seed": [
            {
                "seed": seed,
                **_rounded(found),
                "validation": _rounded(runs[seed].validation),
                "best_step": runs[seed].best_step,
                "steps": runs[seed].steps,
                "seconds": round(runs[seed].seconds, 1),
            }
            for seed, found in measured.models[setting].items()
        ],
        "baselines": {name: _rounded(found) for name, found in measured.baselines[setting].items()},
    }


def _rounded(found: Metrics) -> Metrics:
    return {name: round(value, DIGITS) for name, value in found.items()}
