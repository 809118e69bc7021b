"""Embeddings of all users and items, through the exported graphs: a Parquet file of one kind, or a run in a warehouse.

What a nightly job puts into a feature store (the file), and the history that nearest neighbours and drift are asked
of (the warehouse, `docs/warehouse.md`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from export.embeddings.batches import Embeddings, Kind, item_embeddings, user_embeddings
from export.embeddings.file import partial_file, write_file
from export.embeddings.history import new_run, release_of, write_history
from export.errors import RepositoryError
from export.families.offline_online.plan import FAMILY as RANKING
from export.families.offline_online.stored.models import nothing_to_store
from export.families.two_tower.plan import FAMILY as RETRIEVAL
from export.repository.result import read_result
from preprocessing.schema import FittedSchema, read_fitted, require_same_digest
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
    """Write the embeddings, whole or not at all; what was written, and the seconds of reading, encoding and writing.

    Args:
        repository: What `export repository` wrote.
        data: The folder of `preprocessing fit` that it was exported with.
        output: A warehouse (its URL, or FILE.duckdb), which takes all kinds, or FILE.parquet, which takes one.
        kind: Of a file; users by default.
        family: Whose embeddings, where the repository has both families.
        experiment: Of a run in a warehouse; the schema's name by default.
        run: Its name; by default the MLflow run of a registered model, else the time.
        batch_size: How many users are encoded at a time.
        overwrite: Replace the file, or the run.

    """
    address = _warehouse(str(output))
    for flag, given, allowed in (
        ("--kind", kind, address is None),
        ("--experiment", experiment, address is not None),
        ("--run", run, address is not None),
    ):
        if given is not None and not allowed:
            place = "a Parquet file: a run in a warehouse holds every kind" if address else "a run in a warehouse"
            raise OutputError(f"{flag} {given} is for {place}, leave it out for --output {address or output}")
    fitted, exported = read_fitted(repository), _exported(repository, family)
    require_same_digest(read_fitted(data), fitted, f"the repository in {repository}")
    repository, data = Path(repository), Path(data)
    if address is None:
        with partial_file(Path(output), overwrite, [repository, data]) as partial:
            [written] = _embeddings(repository, data, fitted, exported, [kind or "user"], batch_size)
            started = time.perf_counter()
            write_file(written, partial, fitted.digest)
        return {"output": str(output), **_counted([written], started)}
    kinds: list[Kind] = ["user", "item"] if _has_items(exported) else ["user"]
    if address.file is not None:
        require_apart(address.file, [repository, data], "give another file")
    all_kinds = _embeddings(repository, data, fitted, exported, kinds, batch_size)
    name = experiment if experiment is not None else fitted.schema_.name
    named = Run(name, run if run is not None else new_run(exported), release_of(all_kinds))
    started = time.perf_counter()
    write_history(all_kinds, address, named, overwrite)
    about = {"experiment": named.experiment, "run": named.run, "release": named.release}
    return {"output": str(address), **about, "users": 0, "items": 0, **_counted(all_kinds, started)}


def _warehouse(output: str) -> Address | None:
    """The warehouse that is meant; None for a Parquet file."""
    if "://" in output or output.endswith(".duckdb"):
        return warehouse_address(output)
    if output.endswith(".parquet"):
        return None
    raise OutputError(f"--output {output}: names neither, give FILE.parquet, FILE.duckdb or a warehouse's URL")


def _exported(repository: str | Path, family: str | None) -> dict[str, Any]:
    """What verify.json says of `family`, or of the only one that is there."""
    if family is None:
        whole = read_result(repository)
        held = [each for each in (RANKING, RETRIEVAL) if each == whole["family"] or each in whole]
        if not held:
            raise RepositoryError(f"{repository}: family {whole['family']} is not known here: export it again")
        if len(held) > 1:
            raise RepositoryError(f"{repository}: has the families {' and '.join(held)}, say whose with --family")
        [family] = held
    return read_result(repository, family)


def _has_items(exported: dict[str, Any]) -> bool:
    return bool(exported["family"] == RETRIEVAL)


def _embeddings(
    repository: Path, data: Path, fitted: FittedSchema, exported: dict[str, Any], kinds: list[Kind], size: int
) -> list[Embeddings]:
    if "item" in kinds and not _has_items(exported):
        raise RepositoryError(
            f"--kind item: {repository} is read as {exported['family']}, whose items have no vectors: leave it out"
        )
    reason = nothing_to_store(fitted.schema_)
    if "user" in kinds and reason and exported["family"] == RANKING:
        raise RepositoryError(f"{repository}: {reason}: export those of a two_tower model")
    return [
        user_embeddings(repository, data, fitted, exported["family"], size)
        if kind == "user"
        else item_embeddings(repository, data, fitted, size)
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
