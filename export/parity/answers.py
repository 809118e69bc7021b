"""What the trained model, in torch, answers for the golden rows: the measure of every hop. Kept as `golden.parquet`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.data.golden import Arrays, Row, arrow_schema, workflow_frame
from export.data.saved_workflow import run_workflow
from export.errors import RepositoryError
from export.families.offline_online.plan import Plan
from export.triton.tensors import ENCODED, ITEM_IDS, SCORE, encoded_tensor
from preprocessing.schema import PADDING_ID, Categorical, Feature, Numeric, Pretrained, Sequence, Text
from training.families.offline_online.model import OfflineEncoder, OfflineOnline, OfflineState, OnlineRanker
from training.layers.exclusion import exclude_items
from training.layers.features import Features

if TYPE_CHECKING:
    from torch import Tensor

GOLDEN = "golden.parquet"
KEPT = "torch."
"""In front of the answers' column names: no feature's name has a dot."""


@dataclass(frozen=True)
class Reference:
    """Golden rows; the offline state's tensors by name, [N, ...], and item_ids and score, [N, K]."""

    rows: list[Row]
    answers: Arrays


def workflow_folder(data: str | Path) -> Path:
    """Where `preprocessing fit` saved the workflow. Raises `RepositoryError` where it did not."""
    folder = Path(data) / "workflow"
    if not (folder / "workflow.pkl").is_file():
        raise RepositoryError(f"no saved workflow in {folder}: give the output folder of `preprocessing fit`")
    return folder


def encode_rows(features: tuple[Feature, ...], data: str | Path, rows: list[Row]) -> Arrays:
    """Rows through the saved workflow of `data`, as it was run over the training rows: `NAME.encoded` tensors.

    Sequences are padded to the longest of the rows, at most `max_length`.
    """
    encoded = run_workflow(workflow_folder(data), features, workflow_frame(features, rows))
    return {feature.name + ENCODED: _tensor(feature, rows, list(encoded[feature.name])) for feature in features}


def _tensor(feature: Feature, rows: list[Row], values: list[Any]) -> Any:
    if isinstance(feature, Pretrained):
        return np.array(values, dtype=np.float32).reshape(-1, feature.dim)
    if isinstance(feature, Sequence | Text):
        width = feature.max_length
        if isinstance(feature, Sequence):
            width = max(1, min(width, max(len(row[feature.name] or []) for row in rows)))
        padded = np.zeros((len(values), width), dtype=np.int64)
        for place, ids in enumerate(values):
            padded[place, : len(ids)] = ids
        return padded
    return np.array(values, dtype=np.int64 if encoded_tensor(feature).dtype == "int64" else np.float32)[:, None]


def whole_answers(whole: OfflineOnline, plan: Plan, encoded: Arrays) -> Arrays:
    """What the whole model answers to encoded tensors of finite numbers: the offline state by name, item_ids, score."""
    return _answers(whole.offline, lambda _, features: whole(features), plan, encoded)


def part_answers(offline: OfflineEncoder, online: OnlineRanker, plan: Plan, encoded: Arrays) -> Arrays:
    """What the offline part and then the online part answer."""
    return _answers(offline, online, plan, encoded)


def _answers(
    offline: OfflineEncoder, score_all: Callable[[OfflineState, Features], Tensor], plan: Plan, encoded: Arrays
) -> Arrays:
    import torch

    features = model_features(plan.schema.request_features, encoded)
    with torch.no_grad():
        state = offline(features)
        excluded = [features[name] for name in plan.schema.exclude] if plan.exclude_seen else []
        scores = exclude_items(score_all(state, features), excluded, -torch.inf)
    kept = dict(zip((tensor.name for tensor in plan.state), state, strict=False))
    return {**{name: tensor.numpy() for name, tensor in kept.items()}, **best_items(scores, plan.top_k)}


def best_items(scores: Tensor, top_k: int) -> Arrays:
    """item_ids and score [N, K] of scores [N, I], best first and by id where they tie; id 0 where the score is -inf."""
    order = scores.sort(dim=1, descending=True, stable=True)
    score, ids = order.values[:, :top_k], order.indices[:, :top_k]
    return {ITEM_IDS: ids.masked_fill(score == float("-inf"), PADDING_ID).numpy(), SCORE: score.numpy()}


def model_features(features: tuple[Feature, ...], encoded: Arrays) -> dict[str, Tensor]:
    """Served tensors as a model takes them: by feature name, scalars [B, 1] -> [B]."""
    import torch

    tensors = {feature.name: torch.from_numpy(encoded[feature.name + ENCODED]) for feature in features}
    return {
        each.name: tensors[each.name][:, 0] if isinstance(each, Categorical | Numeric) else tensors[each.name]
        for each in features
    }


def write_reference(reference: Reference, features: tuple[Feature, ...], folder: Path, file: str = GOLDEN) -> None:
    """Write the rows and torch's answers to them into `folder`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(reference.rows, schema=arrow_schema(features))
    for name, values in reference.answers.items():
        table = table.append_column(KEPT + name, pa.array(list(values)))
    pq.write_table(table, folder / file)


def read_reference(features: tuple[Feature, ...], repository: str | Path, file: str = GOLDEN) -> Reference:
    """Read the golden rows of a repository and what torch answered when it was exported."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(repository) / file
    try:
        table = pq.read_table(path)
        rows = table.select([feature.name for feature in features]).to_pylist()
        names = [name for name in table.column_names if name.startswith(KEPT)]
        answers = {name.removeprefix(KEPT): np.stack(table[name].to_numpy()) for name in names}
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise RepositoryError(f"{path}: cannot be read ({error}): give what `export repository` wrote") from None
    return Reference(rows, answers)
