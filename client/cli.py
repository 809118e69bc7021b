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
    """Run one command; return 0 on success, 1 if `health` finds something not ready, 2 on an error."""
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
        # The reader of our output has gone; without this, Python reports an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_WITHOUT_READER


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m client", description="Talk to a running recommender.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help_: str, with_model: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        added.add_argument("--url", default=DEFAULT_URL, help="grpc://host:port or http://host:port (%(default)s)")
        if with_model:
            added.add_argument("--model", default=DEFAULT_MODEL, help="name of a model on the server (%(default)s)")
        added.add_argument(
            "--timeout",
            type=seconds,
            default=DEFAULT_TIMEOUT_S,
            metavar="SECONDS",
            help="timeout of a single call in seconds (%(default)s)",
        )
        added.add_argument(
            "--retries",
            type=_count,
            default=DEFAULT_RETRIES,
            help="number of retries while the server is unavailable (%(default)s)",
        )
        return added

    command("health", "show whether the server and each of its models are ready", with_model=False)

    command("describe", "show a model's inputs and outputs, with an example request as JSON and as a curl line")

    recommend = command("recommend", "show the answers of a recommender, a next-item model or similar_items")
    source = recommend.add_mutually_exclusive_group(required=True)
    source.add_argument("--request", metavar="FILE.json", help="JSON file with a request or a list of requests")
    source.add_argument(
        "--requests", metavar="DATA/requests/test", help="folder of recorded rows; --user selects from them"
    )
    source.add_argument(
        "--feature",
        nargs="+",
        action="append",
        metavar=("NAME", "VALUE"),
        help="one feature of a single request, such as --feature history A B C; repeat it for each feature",
    )
    recommend.add_argument(
        "--user", nargs="+", metavar="ID", help="send the newest row of each of these users (default: the first user)"
    )
    recommend.add_argument("--items", metavar="DATA/items.parquet", help="item table with the names to show")
    recommend.add_argument(
        "--top", type=positive, default=10, metavar="N", help="number of items to show (%(default)s)"
    )
    recommend.add_argument(
        "--history", metavar="FEATURE", help="sequence to show next to the answer (default: the model's first one)"
    )

    evaluate = command("evaluate", "replay recorded rows through the server and measure the ranking")
    evaluate.add_argument("--requests", required=True, metavar="DATA/requests/test", help="recorded rows")
    evaluate.add_argument("--k", type=_positives, default=(5, 10, 20), metavar="K,K", help="cut-offs (5,10,20)")
    evaluate.add_argument("--limit", type=positive, metavar="N", help="use only the first N rows")

    bench = command("bench", "measure latency and throughput with perf_analyzer on recorded rows", with_model=False)
    bench.add_argument("--model", type=_names, default=(DEFAULT_MODEL,), metavar="NAME,NAME", help="models to measure")
    bench.add_argument("--requests", required=True, metavar="DATA/requests/test", help="recorded rows")
    bench.add_argument(
        "--rows", type=positive, default=256, metavar="N", help="number of different rows to send (%(default)s)"
    )
    bench.add_argument(
        "--concurrency",
        type=_positives,
        default=(1, 4, 16),
        metavar="N,N",
        help="numbers of requests in flight (1,4,16)",
    )
    bench.add_argument("--batch-size", type=positive, default=1, metavar="N", help="rows per request (%(default)s)")
    bench.add_argument(
        "--required-only",
        action="store_true",
        help="leave out the features that recommend_stored does not read for a stored user",
    )
    bench.add_argument(
        "--seconds", type=seconds, default=6.0, help="minimal duration of each measurement in seconds (%(default)s)"
    )
    return parser


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _positives(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positive(part.strip()) for part in text.split(",")))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if "" in names:
        raise argparse.ArgumentTypeError(f"seen {text!r}, expected names separated by commas")
    return names
