"""The serving workflow: the schema's row-wise NVTabular operators, fitted on the train period and saved.

It turns a request's raw columns into the model's ids and numbers, under the same names. The item workflow does the
same for the item table; it runs only in the fit, and its result is the item index.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Sequence, Text

if TYPE_CHECKING:
    import nvtabular as nvt
    import pandas as pd


def build_workflow(features: tuple[Feature, ...], items: pd.Series[str], folder: Path) -> nvt.Workflow:
    """Compose the operators of `features`; not fitted yet.

    items: raw ids of the vocabulary, most frequent first; all sequences share it.
    folder: folder of Categorify's tables, `categories/unique.FEATURE.parquet`, until the workflow is saved.
    """
    nvt = import_nvtabular()
    with quiet():
        graph = None
        for feature in features:
            node = _operators(feature, items, folder)
            graph = node if graph is None else graph + node
        return nvt.Workflow(graph)


def _operators(feature: Feature, items: pd.Series[str], folder: Path) -> Any:
    """Return the feature's own chain; a node shared by two chains would run once for each of them."""
    from nvtabular import ops

    name = feature.name
    match feature:
        case Sequence():
            vocabulary = items.reset_index(drop=True).rename(name)
            newest = [name] >> ops.ListSlice(-feature.max_length)
            return newest >> ops.Categorify(vocabs={name: vocabulary}, out_path=str(folder))
        case Text():
            first = [name] >> ops.ListSlice(0, feature.max_length)
            return first >> ops.Categorify(freq_threshold=feature.min_frequency, out_path=str(folder))
        case Categorical():
            return [name] >> ops.Categorify(freq_threshold=feature.min_frequency, out_path=str(folder))
        case Pretrained():
            return [name] >> ops.Rename(name=name)
        case Numeric():
            return _numeric(feature)


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


def to_fit_columns(features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Return raw columns in the form for fitting; `frame` needs no sequences.

    NVTabular cannot infer the type of a list column that is empty throughout a partition, so no list is empty here: a
    text without words has a null, which no vocabulary counts, and a sequence, whose vocabulary is given, a dummy item.
    """
    stand_ins = {feature.name: [["an item"]] * len(frame) for feature in features if isinstance(feature, Sequence)}
    columns = to_workflow_columns(features, frame.assign(**stand_ins))
    for feature in features:
        if isinstance(feature, Text):
            columns[feature.name] = [words or [None] for words in columns[feature.name]]
    return columns


def fit_workflow(workflow: nvt.Workflow, rows: Any, folder: Path) -> None:
    """Fit on `rows` (a pandas or Dask frame of `to_fit_columns`) and save as NVTabular does: a pickle of the
    operators, next to the tables of Categorify.

    `Workflow.fit` ends with a trial run over the first partition, which fails if a column is null throughout it. No
    operator of ours needs the statistics of another one, so only the fitting phase is called.
    """
    nvt = import_nvtabular()
    with quiet():
        dataset = nvt.Dataset(rows)
        workflow.fit_schema(dataset.schema)
        learning = workflow.graph.get_nodes_by_op_type([workflow.output_node], nvt.ops.StatOperator)
        if learning:
            workflow.executor.fit_phase(dataset, learning)
        workflow.graph.construct_schema(dataset.schema, preserve_dtypes=True)
        workflow.save(str(folder))


def load_workflow(folder: Path) -> nvt.Workflow:
    """Load a workflow that `fit_workflow` saved."""
    nvt = import_nvtabular()
    with quiet():
        return nvt.Workflow.load(str(folder))


def to_workflow_columns(features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Return raw columns as the workflow takes them: "" is null, no padding, texts are words, missing vectors zero.

    Categorify turns rows of a list column into nulls if the index has gaps, so the index is always rebuilt.
    """
    import numpy as np
    import pandas as pd

    out: dict[str, Any] = {}
    for feature in features:
        column = frame[feature.name]
        match feature:
            case Text():
                words = [feature.words(text) if isinstance(text, str) else [] for text in column]
                out[feature.name] = pd.Series(words, dtype=object)
            case Pretrained():
                zero = np.zeros(feature.dim, dtype=np.float32)
                vectors = [
                    np.asarray(v, dtype=np.float32) if isinstance(v, list | np.ndarray) else zero for v in column
                ]
                out[feature.name] = pd.Series(vectors, dtype=object)
            case Numeric():
                # A request carries float32, so fitted and recorded numbers are rounded the same way.
                with np.errstate(over="ignore"):
                    out[feature.name] = column.to_numpy(dtype=np.float64).astype(np.float32).astype(np.float64)
            case Sequence():
                items = [[] if ids is None else [item for item in ids if item] for ids in column]
                out[feature.name] = pd.Series(items, dtype=object)
            case Categorical(dtype="int"):
                out[feature.name] = column.to_numpy(dtype=np.int64)
            case Categorical():
                values = column.to_numpy(dtype=object)
                out[feature.name] = pd.Series(values, dtype=object).where(pd.notna(values) & (values != ""), None)
    return pd.DataFrame(out)


def transform(workflow: nvt.Workflow, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Run a fitted workflow over zero or more raw rows.

    Ids are int64, numbers float32, sequences and texts arrays of int64, vectors arrays of float32; no value is null.
    """
    import numpy as np
    import pandas as pd

    columns = to_workflow_columns(features, frame)
    # Categorify fails on a column that is null in every row, as in a single request; an added last row avoids this.
    last = pd.DataFrame({feature.name: pd.Series([_some_value(feature)]) for feature in features})
    with quiet():
        encoded = workflow.transform(pd.concat([columns, last], ignore_index=True)).iloc[:-1]
    out: dict[str, Any] = {}
    for feature in features:
        column = encoded[feature.name]
        match feature:
            case Sequence() | Text():
                out[feature.name] = pd.Series([np.asarray(ids, dtype=np.int64) for ids in column], dtype=object)
            case Numeric() if not feature.buckets:
                out[feature.name] = column.to_numpy(dtype=np.float32)
            case Categorical() | Numeric():
                out[feature.name] = column.to_numpy(dtype=np.int64)
            case Pretrained():
                out[feature.name] = column
    return pd.DataFrame(out)


def _some_value(feature: Feature) -> Any:
    match feature:
        case Sequence() | Text():
            return []
        case Pretrained():
            return [0.0] * feature.dim
        case Categorical(dtype="string"):
            return ""
        case _:
            return 0
