"""Refresh the item vectors of a repository, and all that holds them, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.data.golden import read_item_ids
from export.families.two_tower.hops import verify_retrieval
from export.families.two_tower.index.choice import rebuild_index
from export.families.two_tower.plan import GOLDEN, ITEM_INDEX, MATCH, RETRIEVE_FUSED, USER_VECTOR, RetrievalPlan
from export.families.two_tower.reference import ranking
from export.families.two_tower.repository import (
    HOLDING_VECTORS,
    VECTORS,
    VERIFY_STEPS,
    read_exported,
    write_plain_files,
)
from export.families.two_tower.vectors import ITEM_VECTORS, Vectors, current_items, item_vectors, user_vectors
from export.families.two_tower.write import Catalogue, write_catalogue
from export.parity.answers import Reference, encode_rows, read_reference
from export.parity.declared import require_declared
from export.parity.local import LocalRepository
from export.repository.linked_copy import copy_linked
from export.repository.result import versions, write_result
from preprocessing.schema import FittedSchema
from stage.output import rewritten_folder
from stage.progress import Report, steps

REFRESH_STEPS = (VECTORS, *HOLDING_VECTORS, *VERIFY_STEPS)


def refresh_items(repository: str | Path, data: str | Path) -> dict[str, Any]:
    """Compute the item vectors again from the item table of `data`, and all that holds them; whole or not at all.

    The towers stay. The repository is written beside and renamed: a server that has it loaded goes on with the old
    vectors until it is told to load the new ones. The content of verify.json.
    """
    with rewritten_folder(repository, [data]) as folder, steps(REFRESH_STEPS) as step:
        result = write_refreshed(Path(repository), Path(data), folder, step)
        require_declared(folder)
    return result


def write_refreshed(repository: Path, data: Path, folder: Path, step: Report) -> dict[str, Any]:
    """Fill `folder`, which no server sees yet, with the repository and new vectors; what verify.json says of them."""
    fitted, exported, plan = read_exported(repository, data)
    holding_vectors = {f"{each}/1" for each in (ITEM_INDEX, MATCH, RETRIEVE_FUSED)}
    copy_linked(repository, folder, holding_vectors | {GOLDEN, "schema.json", ITEM_VECTORS})
    step(VECTORS)
    items, local = current_items(fitted, data), LocalRepository(repository)
    vectors = item_vectors(local, items)
    users, of_users = user_vectors(local, fitted.schema_, data)
    index, about = rebuild_index(plan, vectors, of_users)
    write_catalogue(plan, Catalogue(read_item_ids(data), vectors, users, of_users), index, folder, step)
    before = read_reference(fitted.schema_.request_features, repository, GOLDEN)
    reference = _ranked_anew(plan, fitted, data, before, vectors)
    write_plain_files(folder, fitted, reference, vectors)
    differences = verify_retrieval(folder, data, plan, reference, items, vectors, step)
    result = {**exported, "differences": {**exported["differences"], **differences}, "versions": versions()}
    result |= {"index": about, "users": len(users), "refreshed": True}
    write_result(result, folder)
    return result


def _ranked_anew(
    plan: RetrievalPlan, fitted: FittedSchema, data: Path, reference: Reference, vectors: Vectors
) -> Reference:
    """Torch's vectors of the golden rows, ranked against other item vectors."""
    users = reference.answers[USER_VECTOR]
    encoded = encode_rows(fitted.schema_.request_features, data, reference.rows)
    return Reference(reference.rows, {USER_VECTOR: users, **ranking(plan, users, vectors, encoded)})
