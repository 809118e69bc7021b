"""The serving workflow: row-wise NVTabular operators that the schema asks for, fitted on the train period and saved.

A request's raw columns go in, the model's ids and numbers come out, under the same names. The item workflow does the
same for the item table; it is run at the fit only and its result is the item index.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Sequence, Text

if TYPE_CHECKING:
    import nvtabular as nvt
    import pandas as pd


def build_workflow(features: tuple[Feature, ...], items: pd.Series[str], folder: Path) -> nvt.Workflow:
    """Compose the operators of `features`; not fitted yet.

    items: raw ids of the vocabulary by falling frequency; all sequences share it.
    folder: where Categorify keeps its tables until the workflow is saved.
    """
    import nvtabular as nvt
    from nvtabular import ops

    graph: Any = None

    def add(node: Any) -> None:
        nonlocal graph
        graph = node if graph is None else graph + node

    sequences = [feature for feature in features if isinstance(feature, Sequence)]
    if sequences:
        names = tuple(feature.name for feature in sequences)
        key = names if len(names) > 1 else names[0]
        encoded = [list(names) if len(names) > 1 else names[0]] >> ops.Categorify(
            vocabs={key: items.reset_index(drop=True)}, out_path=str(folder / "items")
        )
        for sequence in sequences:
            add(encoded[sequence.name] >> ops.ListSlice(-sequence.max_length))
    for feature in features:
        match feature:
            case Categorical():
                add([feature.name] >> ops.Categorify(freq_threshold=feature.min_frequency, out_path=str(folder)))
            case Text():
                words = [feature.name] >> ops.Categorify(freq_threshold=feature.min_frequency, out_path=str(folder))
                add(words >> ops.ListSlice(0, feature.max_length))
            case Numeric():
                add(_numeric(feature))
            case Pretrained():
                add([feature.name] >> ops.Rename(postfix=""))
            case Sequence():
                pass
    return nvt.Workflow(graph)


def save_workflow(workflow: nvt.Workflow, folder: Path) -> None:
    """Save as NVTabular does: a pickle of the operators beside the tables of Categorify."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workflow.save(str(folder))


def _numeric(feature: Numeric) -> Any:
    from nvtabular import ops

    node = [feature.name] >> ops.FillMissing(feature.fill)
    if feature.clip:
        node = node >> ops.Clip(min_value=feature.clip[0], max_value=feature.clip[1])
    if feature.buckets:
        return node >> ops.Bucketize(list(feature.buckets))
    if feature.log:
        node = node >> ops.LogOp()
    if feature.normalize:
        node = node >> ops.Normalize()
    return node


def to_workflow_columns(features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Raw columns as the workflow takes them: texts split into words, missing vectors zero, an index without gaps.

    Categorify of a list column turns rows into nulls where the index has gaps, so the index is always made anew.
    """
    import numpy as np
    import pandas as pd

    out: dict[str, Any] = {}
    for feature in features:
        column = frame[feature.name]
        match feature:
            case Text():
                out[feature.name] = [(text or "").lower().split() for text in column]
            case Pretrained():
                zero = np.zeros(feature.dim, dtype=np.float32)
                out[feature.name] = [zero if v is None else np.asarray(v, dtype=np.float32) for v in column]
            case Numeric():
                out[feature.name] = column.to_numpy(dtype=np.float64)
            case Sequence():
                out[feature.name] = [[] if items is None else list(items) for items in column]
            case Categorical():
                out[feature.name] = column.to_numpy()
    return pd.DataFrame(out)


def transform(workflow: nvt.Workflow, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Run a fitted workflow over raw rows; ids are int64, numbers float32, sequences and texts lists of int64."""
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = workflow.transform(to_workflow_columns(features, frame))
    for feature in features:
        column = encoded[feature.name]
        match feature:
            case Sequence() | Text():
                encoded[feature.name] = [np.asarray(ids, dtype=np.int64) for ids in column]
            case Numeric() if not feature.buckets:
                encoded[feature.name] = column.astype(np.float32)
            case Categorical() | Numeric():
                encoded[feature.name] = column.astype(np.int64)
            case Pretrained():
                pass
    return encoded[[feature.name for feature in features]]
