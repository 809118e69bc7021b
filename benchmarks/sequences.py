"""MovieLens-1M as sequences and as moments: bytes on disk, and the cost of reading and holding them in a process.

The log is fitted once under leave-one-out, with histories of `--length` items. Each layout is read in a process of its
own, as training and evaluation read it. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peak_memory import measured_apart
from stage.arguments import positive
from stage.command import Parser, print_result, run_command

CONSOLE = Console(stderr=True)
SCHEMA = """
name = "movielens_1m"
split = {{ kind = "leave_one_out" }}

[log]
time_unit = "order"
columns = {{ user = "user_id", item = "item_id", time = "position" }}

[[features]]
name = "recent_items"
kind = "sequence"
side = "user"
max_length = {length}

[[features]]
name = "item_id"
kind = "categorical"
side = "item"
"""


def run(source: Path, length: int) -> None:
    """Fit the log in `source`, then measure every layout."""
    with tempfile.TemporaryDirectory(prefix="naiad-sequences-") as folder:
        data = Path(folder) / "data"
        began = time.monotonic()
        preprocess(source, length, data)
        seconds = round(time.monotonic() - began, 1)
        ways: tuple[tuple[str, str, Callable[..., object], tuple[Any, ...], str], ...] = (
            ("sequences", "train", training_sequences, (length,), "sequences.parquet"),
            ("moments", "train", moments, ("train",), "train"),
            ("sequences", "test", examples, ("test", length), "sequences.parquet"),
            ("moments", "test", moments, ("test",), "test"),
        )
        results: list[dict[str, Any]] = []
        for layout, split, read, options, path in ways:
            CONSOLE.print(f"[dim]{layout}, {split}")
            found = measured_apart(imports, read, data, *options)
            results.append({"layout": layout, "split": split, "disk_mb": _megabytes(data / path), **found})
    numbers = {"disk_mb": "on disk, MB", "peak_mb": "peak memory, MB", "held_mb": "held, MB", "seconds": "seconds"}
    table = Table("layout", "split", *numbers.values(), title=f"histories of {length} items", title_justify="left")
    for each in results:
        table.add_row(each["layout"], each["split"], *(f"{each[key]:,.1f}" for key in numbers))
    Console().print(table)
    sequences, rows = results[:2]
    print_result(
        {
            "length": length,
            "fit_seconds": seconds,
            "rows": results,
            "memory_times_less": round(rows["peak_mb"] / sequences["peak_mb"], 1),
            "disk_times_less": round(rows["disk_mb"] / sequences["disk_mb"], 1),
        }
    )


def preprocess(source: Path, length: int, data: Path) -> None:
    """Run `preprocessing fit` into `data`."""
    from preprocessing.fit import fit
    from preprocessing.schema import load_schema

    schema = data.parent / "movielens_1m.toml"
    schema.write_text(SCHEMA.format(length=length), encoding="utf-8")
    with redirect_stdout(CONSOLE.file):
        fit(load_schema(schema), source, data)


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*.parquet")
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)


def imports() -> None:
    """Import the modules of every layout."""
    import training.examples.moments
    import training.examples.sequences  # noqa: F401


def training_sequences(data: Path, length: int) -> object:
    """Hold the training sequences, with one item more than a history: the one after the last."""
    from training.examples.sequences import TrainingSequences

    return TrainingSequences(data, length + 1)


def examples(data: Path, split: str, length: int) -> object:
    """Hold the examples of a split."""
    from preprocessing.schema import read_fitted
    from training.examples.sequences import SequenceExamples

    return SequenceExamples(data, split, read_fitted(data), length)


def moments(data: Path, split: str) -> object:
    """Hold a split's rows."""
    from preprocessing.schema import read_fitted
    from training.examples.moments import SplitData

    return SplitData(data, split, read_fitted(data))


def main() -> None:
    parser = Parser(prog="python -m benchmarks.sequences", description=__doc__)
    parser.add_argument(
        "--source", required=True, type=Path, help="MovieLens-1M: interactions of user_id, position and item_id"
    )
    parser.add_argument(
        "--length", type=positive, default=200, help="number of items in a history (default %(default)s)"
    )
    arguments = parser.parse_args()
    run_command(lambda: run(arguments.source, arguments.length))


if __name__ == "__main__":
    main()
