"""`python -m preprocessing fit`: from a raw log to everything that training and serving read."""

from __future__ import annotations

import argparse

from stage.command import Parser, leave, print_result, run_command


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m preprocessing", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="read a log, build moments, fit and save the workflow, write Parquet by week")
    fit.add_argument("--schema", required=True, help="a shipped schema's name, or a .toml file")
    fit.add_argument(
        "--source",
        help="the log: a .parquet or .csv file, a folder with interactions.*, or a table's URL",
    )
    fit.add_argument("--output", required=True, help="folder to write, whole or not at all")
    fit.add_argument("--columns", help="map the log's columns: user=NAME,item=NAME,time=NAME[,session=NAME,value=NAME]")
    fit.add_argument("--split", choices=("time", "leave_one_out", "random"), help="in place of the schema's split")
    fit.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, tcp://HOST:PORT")
    fit.add_argument("--workers", type=int, default=1, help="worker processes on this machine (default 1)")
    fit.add_argument("--overwrite", action="store_true", help="replace the output folder if it holds files")
    fit.set_defaults(run=_fit)
    return parser


def _fit(arguments: argparse.Namespace) -> None:
    from preprocessing.schema import load_schema

    schema = load_schema(arguments.schema)
    if arguments.columns:
        schema = schema.with_columns(arguments.columns)
    if arguments.split:
        schema = schema.with_split(arguments.split)
    import time

    from preprocessing.fit import fit
    from preprocessing.summary import print_summary

    started = time.monotonic()
    made = fit(schema, arguments.source, arguments.output, arguments.scheduler, arguments.workers, arguments.overwrite)
    print_summary(made)
    print_result(
        {
            "output": arguments.output,
            "digest": made.fitted.digest,
            "items": made.fitted.items,
            "users": made.users,
            **{f"{split}_rows": rows for split, rows in made.rows.items()},
            "seconds": round(time.monotonic() - started, 1),
        }
    )


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
