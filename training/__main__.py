"""`python -m training fit | evaluate`: train a model on preprocessed data, and measure it against baselines."""

from __future__ import annotations

import argparse
from typing import Any

from stage.command import Parser, leave, print_result, run_command
from stage.errors import BadInput
from training.models.config import ModelConfig
from training.settings import TrainingSettings


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="train and save the model, whole and in its two parts")
    fit.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    fit.add_argument("--output", required=True, help="folder to write, whole or not at all")
    fit.add_argument("--resume", action="store_true", help="go on from the last checkpoint of a run that was cut off")
    fit.add_argument("--overwrite", action="store_true", help="replace the output folder if it holds files")
    for name, field in (TrainingSettings.model_fields | ModelConfig.model_fields).items():
        default = field.default
        words = f"{field.description or name.replace('_', ' ')} (default {default})"
        flag = "--" + name.replace("_", "-")
        if default is False:
            fit.add_argument(flag, action="store_true", help=words)
        else:
            fit.add_argument(flag, type=type(default), default=default, help=words)
    fit.set_defaults(run=_fit)
    evaluate = commands.add_parser("evaluate", help="rank the whole catalogue on a split, beside the baselines")
    evaluate.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    evaluate.add_argument("--model", required=True, help="output folder of `training fit`")
    evaluate.add_argument("--split", choices=("train", "validation", "test"), default="test")
    evaluate.add_argument("--k", default="5,10,20", help="cut-offs, comma-separated (default 5,10,20)")
    evaluate.set_defaults(run=_evaluate)
    return parser


def _fit(arguments: argparse.Namespace) -> None:
    from pydantic import ValidationError

    given: dict[str, Any] = vars(arguments)
    try:
        settings = TrainingSettings(**{name: given[name] for name in TrainingSettings.model_fields})
        config = ModelConfig(**{name: given[name] for name in ModelConfig.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}, seen {first['input']}") from None
    from training.trainer import fit

    trained = fit(arguments.data, arguments.output, config, settings, arguments.resume, arguments.overwrite)
    validation = {f"validation_{name}": value for name, value in trained.validation.items()}
    print_result(
        {"model": arguments.output, "steps": trained.steps, "seconds": round(trained.seconds, 1), **validation}
    )


def _evaluate(arguments: argparse.Namespace) -> None:
    try:
        ks = tuple(sorted({int(k) for k in arguments.k.split(",")}))
    except ValueError:
        raise BadInput(f"--k {arguments.k}: give whole numbers, comma-separated") from None
    if ks[0] < 1:
        raise BadInput(f"--k {arguments.k}: cut-offs start at 1")
    from training.evaluate import evaluate

    print_result(evaluate(arguments.data, arguments.model, arguments.split, ks))


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
