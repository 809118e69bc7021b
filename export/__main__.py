"""`python -m export`: a trained model becomes a verified Triton model repository, which embeds all users and items."""

from __future__ import annotations

import argparse
import sys

from stage.arguments import positive
from stage.command import Parser, leave, print_result, run_command
from stage.mlflow_store import URI_HELP


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m export", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    repository = commands.add_parser("repository", help="write and verify a model repository, whole or not at all")
    repository.add_argument(
        "--model", required=True, help="output folder of `training fit`, or models:/NAME@ALIAS, or models:/NAME/VERSION"
    )
    repository.add_argument("--tracking-uri", metavar="URI", help=f"of a models:/ name, {URI_HELP}")
    repository.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    repository.add_argument("--output", required=True, help="model repository to write")
    repository.add_argument(
        "--format",
        choices=("onnx", "torchscript"),
        default="onnx",
        help="of the graphs; it is the one verified (default onnx)",
    )
    repository.add_argument(
        "--top-k",
        type=positive,
        default=100,
        metavar="K",
        help='items in an answer; slots that no item fills hold "" with score -inf (default 100)',
    )
    repository.add_argument("--max-batch-size", type=positive, default=64, metavar="B", help="rows (default 64)")
    repository.add_argument(
        "--no-exclude-seen", dest="exclude_seen", action="store_false", help="no mask of the schema's `exclude` items"
    )
    repository.add_argument(
        "--reference-path",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="serve NVTabular too, as recommend_nvtabular; without, the server needs none of it (default on)",
    )
    repository.add_argument(
        "--index",
        choices=("auto", "exact", "hnsw"),
        default="auto",
        help="of a two_tower model's items: exact in a graph, or HNSW by FAISS (default auto: by size, and measured)",
    )
    repository.add_argument(
        "--retriever",
        metavar="MODEL",
        help="a two_tower model of the same data: its items are what --model, an offline_online one, ranks",
    )
    repository.add_argument(
        "--candidates", type=positive, metavar="C", help="items that are ranked behind --retriever (default 500)"
    )
    repository.add_argument(
        "--stored-embeddings",
        action=argparse.BooleanOptionalAction,
        help="hold the offline embeddings of all users, for recommend_stored (default on for offline_online models)",
    )
    repository.add_argument("--overwrite", action="store_true", help="replace the output folder if it holds files")
    repository.set_defaults(run=_repository)

    verify = commands.add_parser(
        "verify",
        help="hold an exported repository against the trained model again",
        description="Compare what a repository answers, hop by hop and in the format it was exported in, with what "
        "torch answered when it was exported: REPO/golden*.parquet hold those requests and answers. REPO/verify.json "
        "is rewritten with the differences found; one beyond the tolerance is refused and leaves it as it was.",
    )
    verify.add_argument("--repository", required=True, help="output folder of `export repository`")
    verify.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    verify.set_defaults(run=_verify)

    embeddings = commands.add_parser(
        "embeddings",
        help="vectors of all users and items, through the exported graphs, into a warehouse or a file",
        description="Write a run into a warehouse, one partition a kind: the users' vectors and, of a two_tower "
        "repository, the items' that its index serves. Or write those of one kind into a Parquet file.",
    )
    embeddings.add_argument("--repository", required=True, help="output folder of `export repository`")
    embeddings.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    embeddings.add_argument(
        "--output",
        default="runs/history.duckdb",
        metavar="WHERE",
        help="FILE.duckdb, duckdb://, postgres:// or bigquery://, or FILE.parquet (default %(default)s)",
    )
    embeddings.add_argument("--experiment", metavar="NAME", help="of the run (default the schema's name)")
    embeddings.add_argument(
        "--run",
        metavar="ID",
        dest="run_id",
        help="name of the run (default the MLflow run of a registered model, else the time, UTC)",
    )
    embeddings.add_argument("--kind", choices=("user", "item"), help="of a Parquet file (default user)")
    embeddings.add_argument(
        "--family", choices=("offline_online", "two_tower"), help="whose vectors, of a repository that has both"
    )
    embeddings.add_argument("--batch-size", type=positive, default=256, metavar="B", help="users (default 256)")
    embeddings.add_argument("--overwrite", action="store_true", help="replace the run, or the file, if there is one")
    embeddings.set_defaults(run=_embeddings)

    stored = commands.add_parser(
        "stored",
        help="replace a repository's stored embeddings by those of a file",
        description="Put the embeddings of FILE.parquet, which `export embeddings` wrote with this very repository, "
        "in the place of those that it holds for recommend_stored, whole or not at all.",
    )
    stored.add_argument("--repository", required=True, help="output folder of `export repository`")
    stored.add_argument("--embeddings", required=True, metavar="FILE.parquet", help="output of `export embeddings`")
    stored.set_defaults(run=_stored)

    items = commands.add_parser(
        "items",
        help="refresh the item vectors of a two_tower model's repository, without training",
        description="Compute the item vectors again with the exported item tower from DATA/items.parquet as it is now, "
        "and write item_index, match and retrieve_fused with them, whole or not at all. Items keep their ids.",
    )
    items.add_argument("--repository", required=True, help="output folder of `export repository`")
    items.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    items.set_defaults(run=_items)

    configs = commands.add_parser("configs", help="every config.pbtxt of a schema that is not fitted")
    configs.add_argument("--schema", default="complete_journey", help="name or .toml file (default %(default)s)")
    configs.add_argument("--output", required=True, help="folder to write into: model_repository")
    configs.set_defaults(run=_configs)
    return parser


def _repository(arguments: argparse.Namespace) -> None:
    import time

    from export.commands.early import before_export

    started = time.monotonic()
    models = [each for each in (arguments.model, arguments.retriever) if each is not None]
    before_export(models, arguments.data, arguments.output, arguments.overwrite)
    from export.commands.any_family import Wanted, export_any

    common = ("format", "top_k", "max_batch_size", "exclude_seen", "overwrite", "reference_path")
    wanted = Wanted(
        arguments.model,
        arguments.retriever,
        arguments.tracking_uri,
        arguments.index,
        arguments.candidates,
        arguments.stored_embeddings,
    )
    options = {name: getattr(arguments, name) for name in common}
    result = export_any(wanted, arguments.data, arguments.output, options)
    if result["not_compiled"]:
        entry = {"offline_online": "recommend", "two_tower": "retrieve"}.get(result["family"], result["family"])
        print(f"naiad: {entry} runs NVTabular itself: {result['not_compiled']}", file=sys.stderr)
    not_stored = result.get("not_stored") or result.get("offline_online", {}).get("not_stored")
    if not_stored:
        print(f"naiad: no recommend_stored: {not_stored}", file=sys.stderr)
    print_result({"output": arguments.output, **result, "seconds": round(time.monotonic() - started, 1)})


def _verify(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from export.commands.any_family import verify_any
    from stage.write_errors import writing

    with writing(arguments.repository, Path(arguments.repository).absolute()):
        result = verify_any(arguments.repository, arguments.data)
    print_result({"repository": arguments.repository, **result})


def _stored(arguments: argparse.Namespace) -> None:
    import time

    from export.families.offline_online.stored.repository import replace_store

    started = time.monotonic()
    result = replace_store(arguments.repository, arguments.embeddings)
    print_result({"repository": arguments.repository, **result, "seconds": round(time.monotonic() - started, 1)})


def _items(arguments: argparse.Namespace) -> None:
    import time

    from export.commands.any_family import refresh_any

    started = time.monotonic()
    result = refresh_any(arguments.repository, arguments.data)
    print_result({"repository": arguments.repository, **result, "seconds": round(time.monotonic() - started, 1)})


def _embeddings(arguments: argparse.Namespace) -> None:
    from export.embeddings.export import export_embeddings

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


def _configs(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from export.commands.shipped import shipped_configs
    from export.repository.members import write_configs
    from preprocessing.schema import load_schema
    from stage.manifest import read_manifest
    from stage.write_errors import OutputError, cannot_be_written

    configs, folder = shipped_configs(load_schema(arguments.schema)), Path(arguments.output)
    if written := read_manifest(folder):
        raise OutputError(
            f"{folder}: was written by `{written.command}`, whose config.pbtxt these would replace: give another folder"
        )
    try:
        write_configs(configs, folder)
    except OSError as error:
        raise cannot_be_written(folder, error) from None
    print_result({"output": arguments.output, "models": [config.name for config in configs]})


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
