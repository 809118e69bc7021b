"""Embeddings of all users and items from the exported graphs: a Parquet file of one kind, or a run in a warehouse.

The file is for a nightly job that fills a feature store; the warehouse keeps the history for queries of nearest
neighbours and drift (`docs/warehouse.md`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from export.commands.opened import Opened, open_repository
from export.embeddings.batches import Embeddings, Kind, item_embeddings, user_embeddings
from export.embeddings.file import partial_file, write_file
from export.embeddings.history import new_run, release_of, write_history
from export.embeddings.vectors import Vectors
from export.errors import RepositoryError
from preprocessing.schema import read_fitted, require_same_digest
from stage.inputs import require_apart
from stage.output import OutputError
from warehouse.address import Address, warehouse_address
from warehouse.partition import Run


def export_embeddings(
    repository: str | Path,
    data: str | Path,
    output: str | Path,
    *,
    kind: Kind | None = None,
    family: str | None = None,
    experiment: str | None = None,
    run: str | None = None,
    batch_size: int = 256,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the embeddings, completely or not at all; return a summary with the seconds of encoding and writing.

    Args:
        repository: The output of `export repository`.
        data: The folder of `preprocessing fit` with which it was exported.
        output: A warehouse (its URL, or FILE.duckdb), which takes all kinds, or FILE.parquet, which takes one.
        kind: Kind of vectors in a file; users by default.
        family: Family of the embeddings, if the repository has several.
        experiment: Experiment of a run in a warehouse; the schema's name by default.
        run: Name of the run; by default the MLflow run of a registered model, else the time.
        batch_size: Number of users that are encoded at a time.
        overwrite: Replace the file, or the run.

    """
    address = _warehouse(str(output))
    for flag, given, allowed in (
        ("--kind", kind, address is None),
        ("--experiment", experiment, address is not None),
        ("--run", run, address is not None),
    ):
        if given is not None and not allowed:
            place = "a Parquet file: a run in a warehouse contains every kind" if address else "a run in a warehouse"
            raise OutputError(f"{flag} {given} is for {place}, leave it out for --output {address or output}")
    opened = open_repository(repository)
    name, vectors = _vectors(opened, family)
    fitted = opened.fitted
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    repository, data = Path(repository), Path(data)
    if address is None:
        with partial_file(Path(output), overwrite, [repository, data]) as partial:
            [written] = _embeddings(opened, data, name, vectors, [kind or "user"], batch_size)
            started = time.perf_counter()
            write_file(written, partial, fitted.digest)
        return {"output": str(output), **_counted([written], started)}
    kinds: list[Kind] = ["user"] if vectors.items is None else ["user", "item"]
    if address.file is not None:
        require_apart(address.file, [repository, data], "give another file")
    all_kinds = _embeddings(opened, data, name, vectors, kinds, batch_size)
    of_data = experiment if experiment is not None else fitted.schema_.name
    registered = opened.result.families[name].registered_model
    named = Run(of_data, run if run is not None else new_run(registered), release_of(all_kinds))
    started = time.perf_counter()
    write_history(all_kinds, address, named, overwrite)
    about = {"experiment": named.experiment, "run": named.run, "release": named.release}
    return {"output": str(address), **about, "users": 0, "items": 0, **_counted(all_kinds, started)}


def _warehouse(output: str) -> Address | None:
    """Return the warehouse in `output`; None for a Parquet file."""
    if "://" in output or output.endswith(".duckdb"):
        return warehouse_address(output)
    if output.endswith(".parquet"):
        return None
    raise OutputError(
        f"--output {output}: is neither a file nor a warehouse, give FILE.parquet, FILE.duckdb or a warehouse's URL"
    )


def _vectors(opened: Opened, family: str | None) -> tuple[str, Vectors]:
    """Return the vectors of `family`, by default of the only family in the repository with vectors."""
    held = {name: each.vectors for name, each in opened.families.items() if each.vectors is not None}
    if not held:
        raise RepositoryError(
            f"{opened.folder}: is of family {opened.result.family}, which has no vectors: give a repository of another "
            "family"
        )
    if family is not None and family not in held:
        raise RepositoryError(
            f"--family {family}: {opened.folder} has no vectors of it: give --family {' or '.join(held)}, or a "
            f"repository of {family}"
        )
    if family is None and len(held) > 1:
        raise RepositoryError(f"{opened.folder}: has the families {' and '.join(held)}, choose one with --family")
    name = family or next(iter(held))
    return name, held[name](opened.plans[name])


def _embeddings(
    opened: Opened, data: Path, family: str, vectors: Vectors, kinds: list[Kind], size: int
) -> list[Embeddings]:
    if "item" in kinds and vectors.items is None:
        raise RepositoryError(
            f"--kind item: {opened.folder} is read as {family}, whose items have no vectors: leave it out"
        )
    if "user" in kinds and vectors.nothing:
        raise RepositoryError(f"{opened.folder}: {vectors.nothing}: export those of a model that retrieves")
    return [
        item_embeddings(opened.folder, data, opened.fitted, vectors.items, size)
        if kind == "item" and vectors.items is not None
        else user_embeddings(opened.folder, data, vectors, size)
        for kind in kinds
    ]


def _counted(written: list[Embeddings], started: float) -> dict[str, Any]:
    seconds = time.perf_counter() - started
    return {
        **{f"{each.kind}s": each.count for each in written},
        "width": written[0].width,
        "encoder_digest": {each.encoder: each.digest for each in written},
        "seconds": round(seconds, 3),
        "per_second": round(sum(each.count for each in written) / seconds, 1),
    }
