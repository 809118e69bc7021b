"""Time and peak memory of reading a CSV log: pandas' reader, ours, and the whole path to the canonical log.

Each reader reads the same file in a process of its own. Naiad 0.2 used pandas' reader, which guesses types
and thereby merges ids. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.peak_memory import measured_apart
from stage.arguments import positive
from stage.command import Parser, print_result, run_command

USERS, ITEMS, DAYS = 200_000, 60_000, 360
CONSOLE = Console(stderr=True)


def run(rows: int) -> None:
    """Measure the readers on a log of `rows` rows."""
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="naiad-reading-") as folder:
        log = Path(folder) / "log.csv"
        CONSOLE.print(f"[dim]writing {rows:,} rows")
        write_log(log, rows)
        megabytes = log.stat().st_size / 1e6
        for name, read in (("pandas.read_csv", with_pandas), ("read_files", with_arrow), ("read_log", to_canonical)):
            CONSOLE.print(f"[dim]{name}")
            found = measured_apart(imports, read, log)
            results.append({"name": name, "seconds": found["seconds"], "peak_gb": round(found["peak_mb"] / 1000, 2)})
    title = f"{rows:,} rows, {megabytes:,.0f} MB"
    table = Table("reader", "seconds", "peak memory, GB", title=title, title_justify="left")
    for each in results:
        table.add_row(each["name"], f"{each['seconds']:.1f}", f"{each['peak_gb']:.2f}")
    Console().print(table)
    pandas, ours, _ = results
    print_result(
        {
            "log_rows": rows,
            "rows": results,
            "times_faster": round(pandas["seconds"] / ours["seconds"], 1),
            "memory_share": round(ours["peak_gb"] / pandas["peak_gb"], 2),
        }
    )


def write_log(path: Path, rows: int) -> None:
    """Write `rows` interactions in the order of time: zero-padded ids, popular items first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    random = np.random.default_rng(0)
    seconds = np.sort(random.integers(0, DAYS * 86_400, rows))
    item = (random.pareto(1.1, rows) * 50).astype(np.int64) % ITEMS
    columns = {
        "user": _named(random.integers(0, USERS, rows), [f"u{number:07}" for number in range(USERS)]),
        "item": _named(item, [f"{number:08}" for number in range(ITEMS)]),
        "time": pc.strftime(pa.array(np.datetime64("2023-01-01", "s") + seconds), format="%Y-%m-%d %H:%M:%S"),
    }
    csv.write_csv(pa.table(columns), path)


def _named(codes: Any, names: list[str]) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)).cast(pa.string())


def imports() -> None:
    """Import the modules of every reader."""
    import pandas  # noqa: F401
    import pyarrow.csv  # noqa: F401


def with_pandas(log: Path) -> object:
    """Read like Naiad 0.2."""
    import pandas as pd

    return pd.read_csv(log, low_memory=False)


def with_arrow(log: Path) -> object:
    """Read the columns as text, ids as codes."""
    from preprocessing.log.files import read_files
    from preprocessing.log.tables import wanted_of_log
    from preprocessing.schema import load_schema

    schema = load_schema("generic")
    return read_files(log, "the log", wanted_of_log(schema), schema.log)


def to_canonical(log: Path) -> object:
    """Read, parse the times, check and sort."""
    from preprocessing.log.read import read_log
    from preprocessing.schema import load_schema

    return read_log(load_schema("generic"), log)


def main() -> None:
    parser = Parser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--rows", type=positive, default=10_000_000, help="rows of the log (default %(default)s)")
    arguments = parser.parse_args()
    run_command(lambda: run(arguments.rows))


if __name__ == "__main__":
    main()
