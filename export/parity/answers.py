"""Torch's answers to golden rows, stored in the repository, and the answers of its chains in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from export.data.golden import Arrays, Row
from export.errors import EXPORT_AGAIN, RepositoryError
from export.triton.tensors import ENCODED, ITEM_ID, ITEM_IDS, SCORE
from preprocessing.schema import PADDING_ID, Feature
from stage.library_errors import Becomes, first_line, map_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

KEPT = "torch."
"""Prefix of the columns of answers; no feature's name has a dot."""
ALONE = 20
"""Number of golden rows that are requests of their own; these include the malformed ones."""


@dataclass(frozen=True)
class Reference:
    """Golden rows and torch's answers by name, [N, ...]; for a ranking item_ids and score, [N, K]."""

    rows: list[Row]
    answers: Arrays


def golden_file(family: str) -> str:
    """Return the file name of a family's golden rows; Triton would take a folder for a model."""
    return f"golden.{family}.parquet"


def best_items(scores: Tensor, top_k: int) -> Arrays:
    """Return item_ids and score [N, K] of scores [N, I], best first, ties by id.

    A score of -inf has the id 0.
    """
    order = scores.sort(dim=1, descending=True, stable=True)
    score, ids = order.values[:, :top_k], order.indices[:, :top_k]
    return {ITEM_IDS: ids.masked_fill(score == float("-inf"), PADDING_ID).numpy(), SCORE: score.numpy()}


def model_features(features: tuple[Feature, ...], encoded: Arrays) -> dict[str, Tensor]:
    """Return served tensors as model inputs: by feature name, scalars [B, 1] -> [B]."""
    import torch

    tensors = {feature.name: torch.from_numpy(encoded[feature.name + ENCODED]) for feature in features}
    return {
        each.name: tensors[each.name][:, 0] if each.encoded.form == "scalar" else tensors[each.name]
        for each in features
    }


def write_reference(reference: Reference, columns: pa.Schema, path: Path) -> None:
    """Write the rows and torch's answers to a new file; an old one may be linked from elsewhere."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(reference.rows, schema=columns)
    for name, values in reference.answers.items():
        table = table.append_column(KEPT + name, pa.array(list(values)))
    path.unlink(missing_ok=True)
    pq.write_table(table, path)


def read_reference(path: Path) -> Reference:
    """Read golden rows and torch's answers to them at the export of the repository."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def unreadable(error: Exception) -> RepositoryError:
        return RepositoryError(f"{path}: cannot be read ({first_line(error)}): give what `export repository` wrote")

    with map_errors(Becomes((OSError, KeyError, ValueError, pa.ArrowException), unreadable)):
        table = pq.ParquetFile(path).read()
        names = [name for name in table.column_names if name.startswith(KEPT)]
        rows = table.drop_columns(names).to_pylist()
        answers = {name.removeprefix(KEPT): np.stack(table[name].to_numpy()) for name in names}
    return Reference(rows, _Answers(path, answers))


class _Answers(dict[str, NDArray[Any]]):
    """The answers of a file; a missing one is refused by the name of the file."""

    def __init__(self, path: Path, answers: Arrays) -> None:
        super().__init__(answers)
        self._path = path

    def __missing__(self, name: str) -> NDArray[Any]:
        raise RepositoryError(f"{self._path}: has no answers {KEPT}{name}: {EXPORT_AGAIN}")


def requests_of(rows: list[Row]) -> list[list[Row]]:
    """Return the golden rows as requests: each of the first `ALONE` rows alone, and all other rows together."""
    requests = [[row] for row in rows[:ALONE]] + [rows[ALONE:]]
    return [rows for rows in requests if rows]


def decoded_answers(
    answers: list[Arrays], encoded_ids: Mapping[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the concatenated answers of a chain, [N, K]: encoded ids and scores."""
    ids = np.array([[encoded_ids[item] for item in row] for each in answers for row in each[ITEM_ID].tolist()])
    return ids, np.concatenate([each[SCORE] for each in answers])


def without_ranking(answers: Arrays) -> Arrays:
    """Return the answers that are not rankings."""
    return {name: values for name, values in answers.items() if name not in (ITEM_IDS, SCORE)}
