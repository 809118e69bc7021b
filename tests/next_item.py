"""Untrained but lively next-item models, saved and exported once per run of the suite."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from export.commands.repository import Request, export_repository
from export.repository.options import RepositoryOptions
from tests.lively import lively_checkpoint
from tests.once import made_once
from training.families.next_item import NextItemConfig

TOP_K = 7


def checkpoint(data: Path, config: NextItemConfig) -> Path:
    return lively_checkpoint(data, config)


def export(model: Path, folder: Path, data: Path | None = None, **shared: Any) -> dict[str, Any]:
    options = RepositoryOptions(**{"top_k": TOP_K, "max_batch_size": 16, **shared})
    return export_repository(Request({"model": str(model)}, options), data, folder)


def repository(data: Path, format: Any, config: NextItemConfig) -> Path:
    """A verified repository of a model with popular lists by country and by store in ONNX, with one in TorchScript."""

    def make(folder: Path) -> None:
        model = checkpoint(data, config)
        if format == "onnx":
            model = with_popular_lists(model, folder.with_name(f"{folder.name}-model"))
        export(model, folder, format=format)

    return made_once(data.parent / f"next-item-{config.family}-{format}", make)


POPULAR = [
    *[("", "", item, 100 - item) for item in range(3, 30)],
    *[("country", "Łand", item, 40 - item) for item in range(20, 30)],
    *[("country", "B", item, 9) for item in (5, 4)],
    *[("store", "1", item, 3) for item in (9,)],
]


def with_popular_lists(model: Path, folder: Path) -> Path:
    """Return a copy of a model whose popular items depend on two features of the request."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(model, folder)
    names = ("feature", "value", "encoded_id", "purchases")
    pq.write_table(pa.table(dict(zip(names, zip(*POPULAR, strict=True), strict=True))), folder / "popular.parquet")
    return folder
