"""The learned parts of a saved workflow, read from its folder."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from preprocessing.schema import Learned, Schema
from preprocessing.workflow import load_workflow

WORKFLOWS = ("workflow", "item_workflow")


def learned_of(schema: Schema, folder: Path) -> dict[str, Learned]:
    """Return cardinalities (special ids included) and statistics by feature; `folder` has the saved workflows."""
    learned: dict[str, Learned] = {}
    for name, features in zip(WORKFLOWS, (schema.request_features, schema.item_features), strict=True):
        if features:
            statistics = _normalize_statistics(folder / name)
            for feature in features:
                if (what := feature.learned(partial(_vocabulary_size, folder / name), statistics)) is not None:
                    learned[feature.name] = what
    return learned


def _vocabulary_size(workflow: Path, feature: str) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(workflow / "categories" / f"unique.{feature}.parquet").num_rows)


def _normalize_statistics(workflow: Path) -> dict[str, dict[str, float]]:
    loaded = load_workflow(workflow)

    from merlin.dag.node import iter_nodes
    from nvtabular.ops import Normalize

    found: dict[str, dict[str, float]] = {}
    for node in iter_nodes([loaded.graph.output_node]):
        operator: Any = node.op
        if isinstance(operator, Normalize):
            for name, mean in operator.means.items():
                found[name] = {"mean": float(mean), "std": float(operator.stds[name])}
    return found


def vocabulary_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every vocabulary's values in the order of ids, a part of the schema's digest."""
    import pyarrow.parquet as pq

    hashes: dict[str, str] = {}
    for name in WORKFLOWS:
        for file in sorted((folder / name / "categories").glob("unique.*.parquet")):
            column = file.name.removeprefix("unique.").removesuffix(".parquet")
            values = pq.read_table(file)[column].to_pylist()
            hashes[f"{name}/{column}"] = hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()
    return hashes
