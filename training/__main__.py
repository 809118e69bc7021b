"""`python -m training fit | evaluate | track`: train a model, measure it against baselines, log and register it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from stage.command import Parser, leave, print_result, run_command
from stage.errors import BadInput
from stage.flags import add_flags, read_flags
from stage.mlflow_store import URI_HELP
from training import families, ranks
from training.baselines import NAMES
from training.settings import MOST
from training.threads import share_cores, threads
from training.tracking.options import TrackingOptions


def _parser(name: str) -> argparse.ArgumentParser:
    """Return the parser; `name` is the family whose settings are the flags of `fit`."""
    every = [families.find(each) for each in families.NAMES]
    family = families.find(name)
    parser = Parser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="train a model and save it, as a whole and in parts")
    fit.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    fit.add_argument("--output", required=True, help="folder to write; it is written completely or not at all")
    fit.add_argument("--resume", action="store_true", help="continue from the last checkpoint of an interrupted run")
    fit.add_argument("--overwrite", action="store_true", help="replace the output folder if it has files")
    fit.add_argument(
        "--family",
        choices=families.NAMES,
        default=families.DEFAULT,
        help="; ".join(f"{each.name} {each.help}" for each in every)
        + f" (default {families.DEFAULT}; the flags below are those of {name})",
    )
    _add_threads(fit)
    add_flags(fit, family.settings)
    add_flags(fit, family.config, skip=("family",))
    fit.add_argument("--no-tracking", dest="tracking", action="store_false", help="log nothing to MLflow")
    _add_tracking_flags(fit)
    fit.set_defaults(run=_fit)
    evaluate = commands.add_parser(
        "evaluate", help="rank the whole catalogue on a split, and compare with the baselines"
    )
    evaluate.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    evaluate.add_argument("--model", required=True, help="output folder of `training fit`")
    evaluate.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="split to rank; choose settings on validation, report test (default test)",
    )
    defaults = ", ".join(f"{','.join(map(str, each.ks))} of {each.name}" for each in every)
    evaluate.add_argument("--k", help=f"cut-offs, comma-separated (default {defaults})")
    evaluate.add_argument(
        "--baselines",
        metavar="NAMES",
        help=f"comma-separated names of {', '.join(NAMES)}, or none (default those that the data allow, "
        "vs_knn only if the log has no users; item_knn takes seconds to half a minute, vs_knn up to minutes)",
    )
    _add_threads(evaluate)
    evaluate.set_defaults(run=_evaluate)
    track = commands.add_parser("track", help="log an already trained model to MLflow, and register it")
    track.add_argument("--model", required=True, help="output folder of `training fit`")
    _add_tracking_flags(track)
    track.set_defaults(run=_track)
    return parser


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=threads,
        metavar="N",
        help="number of threads; use 1 for each of two trainings that share two cores (default torch's own: all cores)",
    )


def _add_tracking_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracking-uri", metavar="URI", help=URI_HELP)
    parser.add_argument("--experiment", metavar="NAME", help="MLflow experiment of the run (default the schema's name)")
    parser.add_argument("--register", metavar="NAME", help="add the model to MLflow's registry as a version of NAME")
    parser.add_argument(
        "--alias",
        action="append",
        default=[],
        metavar="ALIAS",
        help="alias to move to the new version; may be repeated",
    )


def _family(words: list[str]) -> str:
    """Return the family in the command line, whose settings are its flags."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--family", nargs="?")
    family = first.parse_known_args(words)[0].family
    return family if family in families.NAMES else families.DEFAULT


def _fit(arguments: argparse.Namespace) -> None:
    family = families.find(arguments.family)
    settings, config = read_flags(arguments, family.settings), read_flags(arguments, family.config)
    from training.early import before_fit

    wanted = arguments.data, arguments.output, config, settings, arguments.resume, arguments.overwrite
    options = _tracking_options(arguments)
    tracked: dict[str, Any] = {}
    if not arguments.tracking and options != TrackingOptions():
        raise BadInput("--no-tracking and a flag of tracking: drop one of them")
    if ranks.count() == 1:  # several processes refuse together, in `fit`
        before_fit(*wanted)
    share_cores(arguments.threads)
    if not arguments.tracking:
        from training.trainer import fit

        trained = fit(*wanted)
    else:
        from training.tracking.fit import fit_tracked

        trained, tracked = fit_tracked(options, *wanted)
    if not ranks.is_first():
        return
    validation = {f"validation_{name}": value for name, value in trained.validation.items()}
    print_result(
        {
            "model": arguments.output,
            "steps": trained.steps,
            "best_step": trained.best_step,
            "stopped_early": trained.stopped_early,
            "seconds": round(trained.seconds, 1),
            **validation,
            **tracked,
        }
    )


def _tracking_options(arguments: argparse.Namespace) -> TrackingOptions:
    return TrackingOptions(arguments.tracking_uri, arguments.experiment, arguments.register, tuple(arguments.alias))


def _evaluate(arguments: argparse.Namespace) -> None:
    ks = None if arguments.k is None else _cut_offs(arguments.k)
    names = None if arguments.baselines is None else _baselines(arguments.baselines)
    from training.early import before_evaluate

    before_evaluate(arguments.data, arguments.model, arguments.split)
    share_cores(arguments.threads)
    from training.evaluate import evaluate

    print_result(evaluate(arguments.data, arguments.model, arguments.split, ks, names))


def _track(arguments: argparse.Namespace) -> None:
    options = _tracking_options(arguments)
    from training.tracking.saved import track_saved

    print_result({"model": arguments.model, **track_saved(options, arguments.model)})


def _baselines(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in NAMES]:
        raise BadInput(f"--baselines {text}: no baseline {unknown[0]!r}: give names of {', '.join(NAMES)}, or none")
    return names


def _cut_offs(text: str) -> tuple[int, ...]:
    try:
        ks = tuple(sorted({int(k) for k in text.split(",")}))
    except ValueError:
        raise BadInput(f"--k {text}: give whole numbers separated by commas") from None
    if not 1 <= ks[0] <= ks[-1] <= MOST:
        raise BadInput(f"--k {text}: give cut-offs of 1 to {MOST}")
    return ks


def main() -> None:
    arguments = _parser(_family(sys.argv[1:])).parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
