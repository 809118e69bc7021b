"""`python -m warehouse`: the runs of a warehouse, nearest neighbours by SQL, drift between two runs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from stage.command import Parser, leave, print_result, run_command


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m warehouse", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    runs = _command(commands, "runs", "every partition, and whether it is whole", _runs)
    runs.set_defaults(kind=None)

    neighbours = _command(
        commands, "neighbours", "the vectors nearest to that of an id, by cosine distance", _neighbours
    )
    _of_kind(neighbours)
    neighbours.add_argument("--id", required=True, help="id of the item or user")
    neighbours.add_argument("--run", help="name of the run (default: the newest)")

    drift = _command(
        commands, "drift", "distances that vectors moved between two runs, and the ids that moved most", _drift
    )
    _of_kind(drift)
    drift.add_argument("--id", help="id of the item or user; without it, only the ids that moved most")
    drift.add_argument("--from", required=True, metavar="RUN", dest="before", help="the earlier run")
    drift.add_argument("--to", required=True, metavar="RUN", dest="after", help="the later run")
    return parser


def _command(commands: Any, name: str, help_: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help_)
    command.add_argument("--url", required=True, help="a DuckDB file, or duckdb://, postgres://, bigquery://")
    command.set_defaults(call=run)
    return command


def _of_kind(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kind", choices=("user", "item"), required=True, help="which vectors")
    command.add_argument("--k", type=int, default=10, help="rows to print (default 10)")
    command.add_argument("--experiment", help="name of the experiment, if several have such runs")


def _runs(arguments: argparse.Namespace) -> None:
    from warehouse.history import open_warehouse

    with open_warehouse(arguments.url, read_only=True) as warehouse:
        found = warehouse.partitions()
    names = ("experiment", "run", "release", "kind", "created_at", "vectors", "width")
    told = [
        {**{name: getattr(each, name) for name in names}, "created_at": each.created_at.isoformat(), "whole": whole}
        for each, whole in found
    ]
    _print_table([*names, "whole"], [[str(value) for value in row.values()] for row in told])
    print_result({"rows": told})


def _neighbours(arguments: argparse.Namespace) -> None:
    from warehouse.history import open_warehouse

    with open_warehouse(arguments.url, read_only=True) as warehouse:
        stored = warehouse.partition(arguments.kind, arguments.run, arguments.experiment)
        near = warehouse.neighbours(arguments.kind, arguments.id, arguments.k, stored.run, stored.experiment)
    _print_table(["id", "distance"], [[each.id, f"{each.distance:.6f}"] for each in near])
    print_result({**_named(stored), "id": arguments.id, "neighbours": [asdict(each) for each in near]})


def _drift(arguments: argparse.Namespace) -> None:
    from warehouse.history import open_warehouse

    with open_warehouse(arguments.url, read_only=True) as warehouse:
        found = warehouse.drift(
            arguments.kind, arguments.id, arguments.before, arguments.after, arguments.k, arguments.experiment
        )
    _print_table(["id", "distance"], [[each.id, f"{each.distance:.6f}"] for each in found.most])
    result: dict[str, object] = {**_named(found.after), "from": found.before.run, "to": found.after.run}
    del result["run"]
    print_result(
        {**result, "id": arguments.id, "distance": found.distance, "most": [asdict(each) for each in found.most]}
    )


def _named(stored: Any) -> dict[str, object]:
    return {"kind": stored.kind, "experiment": stored.experiment, "run": stored.run}


def _print_table(names: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.call(arguments))


if __name__ == "__main__":
    leave(main)
