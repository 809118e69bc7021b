"""`python -m preprocessing`: draft a schema, or turn a raw log into everything that training and serving read."""

from __future__ import annotations

import argparse
import sys

from preprocessing.changes import Changes
from stage.arguments import positive, share
from stage.command import Parser, leave, print_result, run_command

SPLIT_FLAGS = {"kind": "split"} | {
    name: name for name in ("validation_days", "test_days", "validation_share", "test_share")
}
"""Key of the schema's `[split]` -> the argument that overrides it."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m preprocessing", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="read a log, build moments, fit and save the workflow, write Parquet by week")
    fit.add_argument("--schema", required=True, help="name of a shipped schema, or a .toml file")
    fit.add_argument(
        "--source",
        help="the log: a .parquet, .csv or .tsv file (CSV also .gz, .bz2, .zst), a folder with interactions.* "
        "or of part files, or a table's URL",
    )
    fit.add_argument("--output", required=True, help="folder to write; it is written completely or not at all")
    fit.add_argument(
        "--columns", help="map the log's columns: user=NAME,item=NAME,time=NAME[,session=NAME,value=NAME,title=NAME]"
    )
    _add_log_flags(fit)
    fit.add_argument(
        "--split",
        choices=("time", "leave_one_out", "sessions", "random"),
        help="kind of split, instead of the schema's",
    )
    fit.add_argument(
        "--validation-days", type=positive, metavar="DAYS", help="for a split by time: days before the test period"
    )
    fit.add_argument(
        "--test-days", type=positive, metavar="DAYS", help="for a split by time: days at the end of the log"
    )
    shares = "for a split by sessions or random: share of the sessions"
    fit.add_argument("--validation-share", type=share, metavar="SHARE", help=f"{shares} in validation (default 0.05)")
    fit.add_argument("--test-share", type=share, metavar="SHARE", help=f"{shares} in the test (default 0.2)")
    fit.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, tcp://HOST:PORT")
    fit.add_argument("--workers", type=int, default=1, help="worker processes on this machine (default 1)")
    fit.add_argument("--overwrite", action="store_true", help="replace the output folder if it holds files")
    fit.set_defaults(run=_fit)
    draft = commands.add_parser("schema", help="draft a schema for a log, as a TOML file to read and correct")
    draft.add_argument("--from", dest="source", required=True, metavar="LOG", help="the log: a file or a folder")
    draft.add_argument("--columns", help="columns that you know: user=NAME,item=NAME,time=NAME[,session=NAME,…]")
    _add_log_flags(draft)
    draft.add_argument("--output", metavar="FILE.toml", help="file to write (default: print the draft)")
    draft.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    draft.set_defaults(run=_draft, **dict.fromkeys(SPLIT_FLAGS.values()))
    return parser


def _add_log_flags(fit: argparse.ArgumentParser) -> None:
    """Add the flags that override keys of the schema's `[log]`."""
    fit.add_argument(
        "--time-unit",
        choices=("timestamp", "s", "ms", "us", "ns", "order"),
        help="unit of numbers in the time column, counted since 1970; order: the numbers are only an order",
    )
    fit.add_argument(
        "--time-format", metavar="FORMAT", help='format of times that are not ISO 8601: "%%d/%%m/%%Y %%H:%%M"'
    )
    fit.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="zone of times without an offset, such as Europe/Paris; hours are local to it",
    )
    fit.add_argument(
        "--separator", metavar="CHARACTER", help="separator of CSV fields: ';', tab (default: a comma, in .tsv a tab)"
    )
    fit.add_argument("--encoding", help="encoding of CSV files, such as latin-1, cp1252, utf-16 (default utf-8)")
    fit.add_argument(
        "--items", metavar="FILE", help="the item table, if the schema names none or it is in another folder"
    )
    fit.add_argument(
        "--users", metavar="FILE", help="the user table, if the schema names none or it is in another folder"
    )
    fit.add_argument(
        "--items-key", metavar="COLUMN", help="id column of the item table (default: the name that it has in the log)"
    )
    fit.add_argument(
        "--users-key", metavar="COLUMN", help="id column of the user table (default: the name that it has in the log)"
    )


def _changes(arguments: argparse.Namespace) -> Changes:
    from pathlib import PurePath

    zone = arguments.time_zone
    log = {
        "time_unit": arguments.time_unit,
        "time_format": arguments.time_format,
        "timezone": (zone, zone) if zone else None,
        "separator": arguments.separator,
        "encoding": arguments.encoding,
        "items": PurePath(arguments.items).name if arguments.items else None,
        "users": PurePath(arguments.users).name if arguments.users else None,
        "items_key": arguments.items_key,
        "users_key": arguments.users_key,
    }
    split = {key: getattr(arguments, flag) for key, flag in SPLIT_FLAGS.items()}
    given = ({name: value for name, value in keys.items() if value is not None} for keys in (log, split))
    return Changes(arguments.columns or "", *given)


def _fit(arguments: argparse.Namespace) -> None:
    from preprocessing.schema import FIRST_KNOWN_ID, load_schema

    schema = load_schema(arguments.schema, _changes(arguments))
    import time

    from preprocessing.fit import fit
    from preprocessing.log.read import Source
    from preprocessing.summary import print_summary

    started = time.monotonic()
    source = Source(arguments.source, arguments.users, arguments.items)
    made = fit(
        schema,
        source,
        arguments.output,
        arguments.scheduler,
        arguments.workers,
        arguments.overwrite,
        schema_file=arguments.schema,
    )
    print_summary(made)
    print_result(
        {
            "output": arguments.output,
            "digest": made.fitted.digest,
            "items": made.fitted.items - FIRST_KNOWN_ID,
            "users": made.users,
            **{f"{split}_rows": rows for split, rows in made.rows.items()},
            "read": made.read.as_json(),
            "seconds": round(time.monotonic() - started, 1),
        }
    )


def _draft(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from preprocessing.draft.draft import draft, write
    from preprocessing.log.read import Source

    output = Path(arguments.output) if arguments.output else None
    name = output.stem if output else Path(arguments.source).name.split(".")[0]
    source = Source(arguments.source, arguments.users, arguments.items)
    text = draft(source, _changes(arguments), name or "draft")
    if output is None:
        sys.stdout.buffer.write(text.encode())  # TOML is UTF-8, whatever the terminal is
        return
    write(text, output, arguments.overwrite)
    print_result({"output": arguments.output, "to_choose": text.count("# choose:")})


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
