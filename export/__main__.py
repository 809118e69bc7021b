"""`python -m export`: turn a trained model into a verified Triton model repository, and embed all users and items."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from export import families
from export.families.options import all_flags
from export.repository.options import RepositoryOptions
from stage.arguments import positive
from stage.command import Parser, leave, print_result, run_command
from stage.flags import add_flags, flag, read_flags
from stage.mlflow_store import URI_HELP
from stage.write_errors import writing

DATA_HELP = "output folder of `preprocessing fit`; next-item families need none"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m export", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    repository = commands.add_parser("repository", help="write and verify a model repository, completely or not at all")
    repository.add_argument(
        "--model", required=True, help="output folder of `training fit`, or models:/NAME@ALIAS, or models:/NAME/VERSION"
    )
    repository.add_argument("--tracking-uri", metavar="URI", help=f"for a models:/ name, {URI_HELP}")
    repository.add_argument("--data", help=DATA_HELP)
    repository.add_argument("--output", required=True, help="model repository to write")
    add_flags(repository, RepositoryOptions)
    for family, of_family in all_flags().items():
        own = repository.add_argument_group(f"{family} repositories")
        for name, need in of_family.needs.items():
            if name != "model":
                own.add_argument(flag(name), metavar="MODEL", help=need.help)
        add_flags(own, of_family.options, unset=True)
    repository.add_argument("--overwrite", action="store_true", help="replace the output folder if it has files")
    repository.set_defaults(run=_repository)

    verify = commands.add_parser(
        "verify",
        help="verify an exported repository against the trained model again",
        description="Compare the answers of a repository, hop by hop and in its format, with torch's answers at the "
        "export, which are in REPO/golden.*.parquet. REPO/verify.json is rewritten with the differences; a difference "
        "beyond the tolerance is refused and leaves the file unchanged.",
    )
    verify.add_argument("--repository", required=True, help="output folder of `export repository`")
    verify.add_argument("--data", help=DATA_HELP)
    verify.set_defaults(run=_verify)

    embeddings = commands.add_parser(
        "embeddings",
        help="write vectors of all users and items, from the exported graphs, to a warehouse or a file",
        description="Write a run to a warehouse, one partition per kind: the users' vectors and, if an index serves "
        "them, the items'. Or write the vectors of one kind to a Parquet file.",
    )
    embeddings.add_argument("--repository", required=True, help="output folder of `export repository`")
    embeddings.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    embeddings.add_argument(
        "--output",
        default="runs/history.duckdb",
        metavar="WHERE",
        help="FILE.duckdb, duckdb://, postgres:// or bigquery://, or FILE.parquet (default %(default)s)",
    )
    embeddings.add_argument("--experiment", metavar="NAME", help="experiment of the run (default the schema's name)")
    embeddings.add_argument(
        "--run",
        metavar="ID",
        dest="run_id",
        help="name of the run (default the MLflow run of a registered model, else the time, UTC)",
    )
    embeddings.add_argument("--kind", choices=("user", "item"), help="kind of vectors in a Parquet file (default user)")
    embeddings.add_argument(
        "--family", choices=families.NAMES, help="family of the vectors, for a repository with several"
    )
    embeddings.add_argument(
        "--batch-size", type=positive, default=256, metavar="B", help="users per batch (default 256)"
    )
    embeddings.add_argument("--overwrite", action="store_true", help="replace the run, or the file, if there is one")
    embeddings.set_defaults(run=_embeddings)

    stored = commands.add_parser(
        "stored",
        help="replace a repository's stored embeddings with those of a file",
        description="Replace the embeddings for recommend_stored with those of FILE.parquet, which `export embeddings` "
        "wrote with this repository. They are replaced completely or not at all.",
    )
    stored.add_argument("--repository", required=True, help="output folder of `export repository`")
    stored.add_argument("--embeddings", required=True, metavar="FILE.parquet", help="output of `export embeddings`")
    stored.set_defaults(run=_stored)

    items = commands.add_parser(
        "items",
        help="refresh the item vectors of a repository, without training",
        description="Compute the item vectors again, with the exported item tower, from the current "
        "DATA/items.parquet, and replace every file that contains vectors: all of them or none. Items keep their ids.",
    )
    items.add_argument("--repository", required=True, help="output folder of `export repository`")
    items.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    items.set_defaults(run=_items)

    predict = commands.add_parser(
        "predict",
        help="answer a file of histories through the exported graph of a next-item model",
        description="Write the best items of every history of a file. A row has a history (a list in Parquet, ids that "
        "a separator joins in CSV; also `user` or `id`, `exclude`), or an item of a `user` (also `time` or "
        "`position`), the rows of a user together. Ids are text. Parquet answers have a row per history, CSV answers "
        "one per item.",
    )
    predict.add_argument("--repository", required=True, help="output folder of `export repository`")
    predict.add_argument("--histories", required=True, metavar="FILE", help="FILE.parquet or FILE.csv")
    predict.add_argument("--output", required=True, metavar="FILE", help="FILE.parquet or FILE.csv to write")
    predict.add_argument("--top-k", type=positive, metavar="N", help="items per answer (default all of the repository)")
    predict.add_argument(
        "--batch-size", type=positive, default=256, metavar="B", help="histories per batch (default %(default)s)"
    )
    predict.add_argument(
        "--separator", default=" ", metavar="TEXT", help="between the ids of a history in CSV (default a space)"
    )
    predict.add_argument("--overwrite", action="store_true", help="replace the output file if it exists")
    predict.set_defaults(run=_predict)

    configs = commands.add_parser("configs", help="write every config.pbtxt of a schema without a fit")
    configs.add_argument("--schema", default="complete_journey", help="name or .toml file (default %(default)s)")
    configs.add_argument("--output", required=True, help="folder to write into: model_repository")
    configs.set_defaults(run=_configs)
    return parser


def _repository(arguments: argparse.Namespace) -> None:
    from export.commands.early import before_export

    started = time.monotonic()
    given = vars(arguments)
    kinds = all_flags().values()
    names = dict.fromkeys(name for each in kinds for name in each.needs)
    models = {name: given[name] for name in names if given[name] is not None}
    own = {name: given[name] for each in kinds for name in each.options.model_fields if name in given}
    shared = read_flags(arguments, RepositoryOptions)
    for each in kinds:
        read_flags(arguments, each.options)
    before_export(list(models.values()), arguments.data, arguments.output, arguments.overwrite)
    from export.commands.repository import Request, export_repository

    request = Request(models, shared, own, arguments.tracking_uri, arguments.overwrite)
    result = export_repository(request, arguments.data, arguments.output)
    if result["not_compiled"]:
        print(f"naiad: NVTabular itself is served: {result['not_compiled']}", file=sys.stderr)
    _print({"output": arguments.output}, result, started)


def _verify(arguments: argparse.Namespace) -> None:
    from export.commands.verify import verify

    with writing(arguments.repository, Path(arguments.repository).absolute()):
        result = verify(arguments.repository, arguments.data)
    print_result({"repository": arguments.repository, **result})


def _stored(arguments: argparse.Namespace) -> None:
    from export.commands.stored import replace_stored

    started = time.monotonic()
    _print({"repository": arguments.repository}, replace_stored(arguments.repository, arguments.embeddings), started)


def _items(arguments: argparse.Namespace) -> None:
    from export.commands.items import refresh

    started = time.monotonic()
    _print({"repository": arguments.repository}, refresh(arguments.repository, arguments.data), started)


def _embeddings(arguments: argparse.Namespace) -> None:
    from export.commands.embeddings import export_embeddings

    print_result(
        export_embeddings(
            arguments.repository,
            arguments.data,
            arguments.output,
            kind=arguments.kind,
            family=arguments.family,
            experiment=arguments.experiment,
            run=arguments.run_id,
            batch_size=arguments.batch_size,
            overwrite=arguments.overwrite,
        )
    )


def _predict(arguments: argparse.Namespace) -> None:
    from export.commands.predict import predict

    print_result(
        predict(
            arguments.repository,
            arguments.histories,
            arguments.output,
            top_k=arguments.top_k,
            batch_size=arguments.batch_size,
            separator=arguments.separator,
            overwrite=arguments.overwrite,
        )
    )


def _configs(arguments: argparse.Namespace) -> None:
    from export.commands.configs import write_shipped
    from preprocessing.schema import load_schema

    models = write_shipped(load_schema(arguments.schema), arguments.output)
    print_result({"output": arguments.output, "models": models})


def _print(about: dict[str, str], result: dict[str, object], started: float) -> None:
    print_result({**about, **result, "seconds": round(time.monotonic() - started, 1)})


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
