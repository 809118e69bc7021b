"""`python -m export`: a trained model becomes a verified Triton model repository, or embeddings of all users."""

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
    repository.add_argument("--top-k", type=positive, default=100, metavar="K", help="items in an answer (default 100)")
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
        "torch answered when it was exported: REPO/golden.parquet holds those requests and answers. REPO/verify.json "
        "is rewritten with the differences found; one beyond the tolerance is refused and leaves it as it was.",
    )
    verify.add_argument("--repository", required=True, help="output folder of `export repository`")
    verify.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    verify.set_defaults(run=_verify)

    embeddings = commands.add_parser("embeddings", help="offline embeddings of all users, through the exported graph")
    embeddings.add_argument("--repository", required=True, help="output folder of `export repository`")
    embeddings.add_argument("--data", required=True, help="output folder of `preprocessing fit`")
    embeddings.add_argument("--output", required=True, metavar="FILE.parquet", help="file to write")
    embeddings.add_argument("--batch-size", type=positive, default=256, metavar="B", help="users (default 256)")
    embeddings.add_argument("--overwrite", action="store_true", help="replace the file if there is one")
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
        help="refresh the item vectors of a two_tower repository, without training",
        description="Compute the item vectors anew with the exported item tower from DATA/items.parquet as it is now, "
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

    from export.errors import GraphError
    from export.options import Options
    from export.registry import model_folder
    from export.repository import export_repository
    from export.retrieval.repository import RetrievalOptions, export_retrieval
    from training.checkpoint import read_config

    started = time.monotonic()
    options = (
        arguments.format,
        arguments.top_k,
        arguments.max_batch_size,
        arguments.exclude_seen,
        arguments.overwrite,
        arguments.reference_path,
    )
    with model_folder(arguments.model, arguments.tracking_uri) as (model, registered):
        if read_config(model).family == "two_tower":
            if arguments.stored_embeddings:
                raise GraphError(f"--stored-embeddings: {arguments.model} is a two_tower model: leave it out")
            result = export_retrieval(
                model, arguments.data, arguments.output, RetrievalOptions(*options, index=arguments.index)
            )
        elif arguments.index != "auto":
            raise GraphError(f"--index {arguments.index}: {arguments.model} is no two_tower model: leave it out")
        else:
            wanted = Options(*options, stored=arguments.stored_embeddings is not False)
            result = export_repository(model, arguments.data, arguments.output, wanted, registered)
    if result["not_compiled"]:
        entry = "retrieve" if result["family"] == "two_tower" else "recommend"
        print(f"naiad: {entry} runs NVTabular itself: {result['not_compiled']}", file=sys.stderr)
    print_result({"output": arguments.output, **result, "seconds": round(time.monotonic() - started, 1)})


def _verify(arguments: argparse.Namespace) -> None:
    from export.repository import verify_again
    from export.result import read_result
    from export.retrieval.repository import verify_retrieval_again

    is_retrieval = read_result(arguments.repository).get("family") == "two_tower"
    again = verify_retrieval_again if is_retrieval else verify_again
    print_result({"repository": arguments.repository, **again(arguments.repository, arguments.data)})


def _stored(arguments: argparse.Namespace) -> None:
    import time

    from export.stored.repository import replace_store

    started = time.monotonic()
    result = replace_store(arguments.repository, arguments.embeddings)
    print_result({"repository": arguments.repository, **result, "seconds": round(time.monotonic() - started, 1)})


def _items(arguments: argparse.Namespace) -> None:
    import time

    from export.retrieval.repository import refresh_items

    started = time.monotonic()
    result = refresh_items(arguments.repository, arguments.data)
    print_result({"repository": arguments.repository, **result, "seconds": round(time.monotonic() - started, 1)})


def _embeddings(arguments: argparse.Namespace) -> None:
    from export.embeddings import export_embeddings

    print_result(
        export_embeddings(
            arguments.repository, arguments.data, arguments.output, arguments.batch_size, arguments.overwrite
        )
    )


def _configs(arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from export.members import write_configs
    from export.recommend import Plan, configs
    from export.retrieval.members import write_retrieval_configs
    from export.retrieval.plan import RetrievalPlan, retrieval_configs
    from export.stored.models import stored_configs, write_stored_configs
    from preprocessing.schema import Text, load_schema
    from training.models.config import ModelConfig, TwoTowerConfig

    schema = load_schema(arguments.schema)
    compiled = not any(isinstance(each, Text) for each in schema.request_features)
    output = Path(arguments.output)
    retrieval = RetrievalPlan(schema, TwoTowerConfig().dim, compiled=compiled)
    write_retrieval_configs(retrieval, output)
    # Both families serve `preprocess` and `decode`; the first family's stay.
    plan = Plan(schema, ModelConfig().dim, compiled=compiled)
    write_configs(plan, output)
    write_stored_configs(plan, output)
    written = (*configs(plan), *stored_configs(plan), *retrieval_configs(retrieval))
    names = dict.fromkeys(config.name for config in written)
    print_result({"output": arguments.output, "models": list(names)})


def main() -> None:
    arguments = _parser().parse_args()
    run_command(lambda: arguments.run(arguments))


if __name__ == "__main__":
    leave(main)
