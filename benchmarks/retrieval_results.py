"""Results of `benchmarks.retrieval`: one row per search method, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

EXACT, GRAPH, NUMPY = "exact (IndexFlatIP)", "exact graph (ONNX Runtime)", "NumPy matmul + argpartition"


class Row(NamedTuple):
    """A search method; `memory_mb` and `build_s` of the index, `per_second` queries."""

    name: str
    vectors: int
    recall: float
    per_second: float
    build_s: float
    memory_mb: float

    def as_json(self) -> dict[str, Any]:
        values = self._asdict()
        return {"recall@100" if name == "recall" else name: value for name, value in values.items()}


def print_table(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("index", *(f"[right]{name}" for name in ("vectors", "recall@100", "queries/s", "build s", "MB")))
    for row in rows:
        numbers = (f"{row.vectors:,}", f"{row.recall:.4f}", f"{row.per_second:,.0f}", f"{row.build_s:g}")
        table.add_row(row.name, *numbers, f"{row.memory_mb:,.0f}")
    Console().print(table)


def best_of(rows: Sequence[Row], kind: str) -> Row | None:
    """Return the fastest setting of a kind of index with recall@100 of at least .99."""
    good = [row for row in rows if row.name.startswith(kind) and row.recall >= 0.99]
    return max(good, key=lambda row: row.per_second, default=None)
