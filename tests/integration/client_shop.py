"""A shop to test the client on: models of `client_shop_model.py`, recorded rows, and the expected scores."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

SHOP = "recommend"
K = 30


def write_model(repository: Path, name: str, k: int, max_batch_size: int = 4, score: str = "score") -> None:
    config = ModelConfig(name=name, backend="python", max_batch_size=max_batch_size)
    config.parameters["k"].string_value = str(k)
    inputs = [
        ("household_id", 13, 1),
        ("hour", 9, 1),
        ("basket_value", 11, 1),
        ("style", 11, 3),
        ("recent_items", 13, -1),
    ]
    for tensor, datatype, dim in inputs:
        config.input.add(name=tensor, data_type=datatype, dims=[dim])
    config.output.add(name="item_id", data_type=13, dims=[k])
    config.output.add(name=score, data_type=11, dims=[k])
    config.instance_group.add(count=1, kind="KIND_CPU")
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(text_format.MessageToString(config))
    shutil.copy(Path(__file__).with_name("client_shop_model.py"), repository / name / "1" / "model.py")


def write_data(folder: Path) -> None:
    """Recorded rows in two weeks with nulls, unknown targets and histories of several lengths; an item table."""
    generator = np.random.default_rng(5)
    for week in range(2):
        rows = [
            {
                "household_id": f"h{n % 5}" if n % 4 else None,
                "hour": n % 24,
                "basket_value": [None, math.nan, 0.25 * n][n % 3],
                "style": [1.0, 2.0, 3.0] if n % 2 else None,
                "recent_items": [f"ü{i}" for i in generator.integers(0, 50, size=n)] if n != 6 else None,
                "target": [f"ü{i}" for i in generator.choice(55, size=1 + n % 4, replace=False)],
                "user": f"h{n % 5}",
                "time": 1000 * week + n,
            }
            for n in range(11)
        ]
        (folder / "test" / f"week=2017-W0{week + 1}").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "test" / f"week=2017-W0{week + 1}" / "part.parquet")
    items = {"item_id": [f"ü{i}" for i in range(50)], "title": [f"Prod[bold]uct {i}" for i in range(50)]}
    pq.write_table(pa.table(items), folder / "items.parquet")


def shop_scores(row: dict[str, Any]) -> list[float]:
    """The model's rule, written again: what each of the 50 items scores in float32."""
    value = row["basket_value"] or 0.0
    bonus = 0.0 if math.isnan(value) else value
    history = row["recent_items"] or []
    return [-0.01 * i + (bonus if i % 7 == 0 else 0.0) + history.count(f"ü{i}") for i in range(50)]
