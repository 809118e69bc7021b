"""`python -m client health | describe | recommend | evaluate | bench`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from client.recommend_client import DEFAULT_MODEL, DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, DEFAULT_URL
from stage.arguments import positive, seconds
from stage.command import EXIT_BAD_INPUT, EXIT_WITHOUT_READER, Parser, replace_what_cannot_be_shown
from stage.errors import NaiadError
from stage.termination import EXIT_INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: done; 1: health found something not ready; 2: refused or failed, one line on stderr."""
    replace_what_cannot_be_shown()
    options = _parser().parse_args(arguments)
    from client import commands

    try:
        return int(getattr(commands, options.command)(options))
    except NaiadError as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; without this, Python complains at exit while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_WITHOUT_READER


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m client", description="Talk to a running recommender.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str, with_model: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        added.add_argument("--url", default=DEFAULT_URL, help="grpc://host:port or http://host:port (%(default)s)")
        if with_model:
            added.add_argument("--model", default=DEFAULT_MODEL, help="an ensemble of the server (%(default)s)")
        added.add_argument(
            "--timeout",
            type=seconds,
            default=DEFAULT_TIMEOUT_S,
            metavar="SECONDS",
            help="of a single call (%(default)s)",
        )
        added.add_argument(
            "--retries", type=_count, default=DEFAULT_RETRIES, help="while the server is unavailable (%(default)s)"
        )
        return added

    command("health", "say whether the server and each of its models are ready", with_model=False)

    command("describe", "show what a model takes and gives, with an example request as JSON and as curl")

    recommend = command("recommend", "show what is recommended, next to what was bought before")
    source = recommend.add_mutually_exclusive_group(required=True)
    source.add_argument("--request", metavar="FILE.json", help="a request, or a list of them")
    source.add_argument("--requests", metavar="DATA/requests/test", help="recorded rows, of --user")
    recommend.add_argument(
        "--user", nargs="+", metavar="ID", help="send the newest row of each of these users (the first user)"
    )
    recommend.add_argument("--items", metavar="DATA/items.parquet", help="item table that has the names")
    recommend.add_argument("--top", type=positive, default=10, metavar="N", help="items shown (%(default)s)")
    recommend.add_argument(
        "--history", metavar="FEATURE", help="sequence shown next to the answer (the model's first one)"
    )

    evaluate = command("evaluate", "replay recorded rows through the server and measure the ranking")
    evaluate.add_argument("--requests", required=True, metavar="DATA/requests/test", help="recorded rows")
    evaluate.add_argument("--k", type=_positives, default=(5, 10, 20), metavar="K,K", help="cut-offs (5,10,20)")
    evaluate.add_argument("--limit", type=positive, metavar="N", help="the first N rows only")

    bench = command("bench", "measure latency and throughput with perf_analyzer on recorded rows", with_model=False)
    bench.add_argument(
        "--model", type=_names, default=(DEFAULT_MODEL,), metavar="NAME,NAME", help="ensembles to measure"
    )
    bench.add_argument("--requests", required=True, metavar="DATA/requests/test", help="recorded rows")
    bench.add_argument("--rows", type=positive, default=256, metavar="N", help="different rows to send (%(default)s)")
    bench.add_argument(
        "--concurrency", type=_positives, default=(1, 4, 16), metavar="N,N", help="requests in flight (1,4,16)"
    )
    bench.add_argument("--batch-size", type=positive, default=1, metavar="N", help="rows a request (%(default)s)")
    bench.add_argument(
        "--required-only",
        action="store_true",
        help="without the features that recommend_stored does not read for a user whose embedding is stored",
    )
    bench.add_argument("--seconds", type=seconds, default=6.0, help="of each measurement, at least (%(default)s)")
    return parser


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _positives(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positive(part.strip()) for part in text.split(",")))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if "" in names:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected names with commas between them")
    return names
