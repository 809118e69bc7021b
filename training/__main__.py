"""`python -m training fit | evaluate | track`: train a model, measure it against baselines, log and register it."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from stage.command import Parser, leave, print_result, run_command
from stage.errors import BadInput
from stage.mlflow_store import URI_HELP
from training.families.config import CONFIGS
from training.settings import MOST, SETTINGS
from training.threads import share_cores, threads
from training.tracking.options import TrackingOptions

DEFAULT_FAMILY = "offline_online"


def _parser(family: str) -> argparse.ArgumentParser:
    parser = Parser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="train and save the model, whole and in its parts")
    fit.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    fit.add_argument("--output", required=True, help="folder to write, whole or not at all")
    fit.add_argument("--resume", action="store_true", help="go on from the last checkpoint of a run that was cut off")
    fit.add_argument("--overwrite", action="store_true", help="replace the output folder if it holds files")
    fit.add_argument(
        "--family",
        choices=CONFIGS,
        default=DEFAULT_FAMILY,
        help="offline_online ranks the whole catalogue; two_tower makes vectors to retrieve with, for large ones "
        f"(default {DEFAULT_FAMILY}; the flags below are those of {family})",
    )
    _add_threads(fit)
    for name, field in (SETTINGS[family].model_fields | CONFIGS[family].model_fields).items():
        if name != "family":
            _add_flag(fit, name, field)
    fit.add_argument("--no-tracking", dest="tracking", action="store_false", help="log nothing to MLflow")
    _add_tracking_flags(fit)
    fit.set_defaults(run=_fit)
    evaluate = commands.add_parser("evaluate", help="rank the whole catalogue on a split, beside the baselines")
    evaluate.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    evaluate.add_argument("--model", required=True, help="output folder of `training fit`")
    evaluate.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="test",
        help="rows to rank for; pick settings on validation, report test (default test)",
    )
    evaluate.add_argument("--k", help="cut-offs, comma-separated (default 5,10,20; of two towers 20,100)")
    _add_threads(evaluate)
    evaluate.set_defaults(run=_evaluate)
    track = commands.add_parser("track", help="log a model that was trained before to MLflow, and register it")
    track.add_argument("--model", required=True, help="output folder of `training fit`")
    _add_tracking_flags(track)
    track.set_defaults(run=_track)
    return parser


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=threads,
        metavar="N",
        help="threads to compute with; give 1 to each of two trainings that share two cores (default torch's own: all "
        "cores)",
    )


def _add_tracking_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tracking-uri", metavar="URI", help=URI_HELP)
    parser.add_argument("--experiment", metavar="NAME", help="MLflow experiment of the run (default the schema's name)")
    parser.add_argument("--register", metavar="NAME", help="add the model to MLflow's registry as a version of NAME")
    parser.add_argument(
        "--alias", action="append", default=[], metavar="ALIAS", help="of that version, moved to it; may be repeated"
    )


def _add_flag(parser: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    default = field.default
    shown = ("on" if default else "off") if isinstance(default, bool) else default
    words = f"{field.description} (default {shown})"
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        action = argparse.BooleanOptionalAction if default else "store_true"
        parser.add_argument(flag, action=action, default=default, help=words)
    else:
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
        parser.add_argument(flag, type=type(default), default=default, choices=choices, help=words)


def _family(words: list[str]) -> str:
    """The family that the command line asks for, whose settings are its flags."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--family", nargs="?")
    family = first.parse_known_args(words)[0].family
    return family if family in CONFIGS else DEFAULT_FAMILY


def _fit(arguments: argparse.Namespace) -> None:
    from pydantic import ValidationError

    given: dict[str, Any] = vars(arguments)
    settings_of, config_of = SETTINGS[arguments.family], CONFIGS[arguments.family]
    try:
        settings = settings_of(**{name: given[name] for name in settings_of.model_fields})
        config = config_of(**{name: given[name] for name in config_of.model_fields if name != "family"})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}, seen {first['input']}") from None
    from training.early import before_fit

    wanted = arguments.data, arguments.output, config, settings, arguments.resume, arguments.overwrite
    options = _tracking_options(arguments)
    tracked: dict[str, Any] = {}
    if not arguments.tracking and options != TrackingOptions():
        raise BadInput("--no-tracking and a flag of tracking: drop one of them")
    before_fit(*wanted)
    share_cores(arguments.threads)
    if not arguments.tracking:
        from training.trainer import fit

        trained = fit(*wanted)
    else:
        from training.tracking.fit import fit_tracked

        trained, tracked = fit_tracked(options, *wanted)
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
    from training.early import before_evaluate

    before_evaluate(arguments.data, arguments.model, arguments.split)
    share_cores(arguments.threads)
    from training.evaluate import evaluate

    print_result(evaluate(arguments.data, arguments.model, arguments.split, ks))


def _track(arguments: argparse.Namespace) -> None:
    options = _tracking_options(arguments)
    from training.tracking.saved import track_saved

    print_result({"model": arguments.model, **track_saved(options, arguments.model)})


def _cut_offs(text: str) -> tuple[int, ...]:
    try:
        ks = tuple(sorted({int(k) for k in text.split(",")}))
    except ValueError:
        raise BadInput(f"--k {text}: give whole numbers, comma-separated") from None
    if not 1 <= ks[0] <= ks[-1] <= MOST:
        raise BadInput(f"--k {text}: give cut-offs of 1 to {MOST}")
    return ks


def main() -> None:
    arguments = _parser(_family(sys.argv[1:])).parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
