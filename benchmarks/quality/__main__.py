"""`python -m benchmarks.quality NAME`: a published figure again, from the log to the test metrics.

The log is fitted (and the data folder kept), a model is trained with every seed, validation picks its checkpoint, and
each model is evaluated on the test once. Prints a table with baselines and published figures, then one line of JSON.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.quality.protocol import FOLDER, ProtocolError, flags_of, names, read_protocol
from stage.arguments import positive
from stage.command import Parser, leave, print_result, run_command
from training import families
from training.threads import share_cores, threads

RUNS = Path("runs") / FOLDER.name


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(names())}")
    parser.add_argument("--source", type=Path, help="file or folder of the log (default: as the protocol says)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="default 1 2 3")
    parser.add_argument("--family", choices=families.NAMES, help="family to train (default: the protocol's first)")
    parser.add_argument("--epochs", type=positive, help="passes over the train rows at most (default: the protocol's)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="another flag of `training fit`; repeatable"
    )
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help="only these splits of the protocol")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"folder of data and models (default {RUNS})")
    parser.add_argument("--threads", type=threads, metavar="N", help="number of threads (default torch's own)")
    return parser


def _changes(pairs: list[str], epochs: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not key or not equals:
            raise ProtocolError(f"--set {pair!r}: is not KEY=VALUE, such as learning_rate=0.001")
        if key in ("seed", "family"):
            raise ProtocolError(f"--set {pair!r}: use --{'seeds' if key == 'seed' else key}")
        found[key] = value.strip()
    return found


def run(arguments: argparse.Namespace) -> None:
    protocol = read_protocol(arguments.name)
    family = arguments.family or next(iter(protocol.families))
    config, settings = flags_of(protocol, family, _changes(arguments.set, arguments.epochs))
    splits = arguments.splits or list(protocol.splits)
    if unknown := [split for split in splits if split not in protocol.splits]:
        raise ProtocolError(f"--splits {unknown[0]}: {arguments.name} has the splits {', '.join(protocol.splits)}")
    source = arguments.source or Path(protocol.source)
    share_cores(arguments.threads)
    from rich.console import Console

    from benchmarks.quality.measured import measure
    from benchmarks.quality.report import result, table

    started = time.monotonic()
    seeds = list(dict.fromkeys(arguments.seeds))
    measured = measure(protocol, source, splits, seeds, config, settings, arguments.runs / arguments.name)
    Console().print(table(protocol, family, measured))
    print_result(result(arguments.name, protocol, family, measured, time.monotonic() - started))


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: run(arguments))


if __name__ == "__main__":
    leave(main)
