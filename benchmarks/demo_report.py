"""The report and checks at the demo's end: the parity of hops, offline = served, better than every baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stage.errors import BadInput
from training.baselines import NAMES

METRICS = ("ndcg@20", "recall@20", "mrr@20")
CONSOLE = Console()


class StepError(BadInput):
    """A step of the chain ended with an error; its own lines are above."""


def show_parity(repository: Path) -> None:
    verify = json.loads((repository / "verify.json").read_text(encoding="utf-8"))
    table = Table(title="Parity of the hops on golden rows", title_justify="left")
    table.add_column("hop")
    table.add_column("largest difference", justify="right")
    for name, difference in verify["differences"].items():
        table.add_row(name, f"{difference:.1e}")
    CONSOLE.print(table)


def show_equal(offline: dict[str, Any], served: dict[str, Any]) -> None:
    table = Table(title="Offline = served", title_justify="left")
    for column in ("metric", "training evaluate", "client evaluate", "difference"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name in METRICS:
        a, b = offline[name], served[name]
        table.add_row(name, f"{a:.6f}", f"{b:.6f}", f"{abs(a - b):.1e}")
    CONSOLE.print(table)


def require(offline: dict[str, Any], served: dict[str, Any]) -> None:
    """Check the demo's two claims: served as trained, and better than every baseline."""
    for name in METRICS:
        if abs(offline[name] - served[name]) > 1e-6:
            raise StepError(f"{name} is {offline[name]} offline and {served[name]} served: they should be equal")
    for name, ndcg in baselines(offline).items():
        if ndcg >= offline["ndcg@20"]:
            raise StepError(f"the model's ndcg@20 {offline['ndcg@20']:.4f} does not beat {name}: train for longer")


def baselines(offline: dict[str, Any]) -> dict[str, float]:
    """Return the ndcg@20 of each baseline in the result of `training evaluate`."""
    return {name: offline[name]["ndcg@20"] for name in NAMES if name in offline}
