"""The serving workflow: the schema's row-wise NVTabular operators, fitted on the train period and saved.

It turns a request's raw columns into the model's ids and numbers, under the same names. The item workflow does the
same for the item table; it runs only in the fit, and its result is the item index.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocessing.nvtabular_engine import import_nvtabular, quiet
from preprocessing.schema import Feature

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
            # Each has its own chain, because a node shared by two chains would run once for each of them.
            node = feature.operators(items, folder)
            graph = node if graph is None else graph + node
        return nvt.Workflow(graph)


def to_fit_columns(features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Return raw columns in the form for fitting; `frame` needs no sequences.

    NVTabular cannot infer the type of a list column that is empty throughout a partition, so no list is empty here: a
    text without words has a null, which no vocabulary counts, and a sequence, whose vocabulary is given, a dummy item.
    """
    stand_ins = {feature.name: [["an item"]] * len(frame) for feature in features if feature.ids == "items"}
    columns = to_workflow_columns(features, frame.assign(**stand_ins))
    for feature in features:
        if feature.encoded.form == "list" and feature.ids != "items":
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
    import pandas as pd

    return pd.DataFrame({feature.name: feature.workflow_values(frame[feature.name]) for feature in features})


def transform(workflow: nvt.Workflow, features: tuple[Feature, ...], frame: pd.DataFrame) -> pd.DataFrame:
    """Run a fitted workflow over zero or more raw rows.

    Ids are int64, numbers float32, sequences and texts arrays of int64, vectors arrays of float32; no value is null.
    """
    import pandas as pd

    columns = to_workflow_columns(features, frame)
    # Categorify fails on a column that is null in every row, as in a single request; an added last row avoids this.
    last = pd.DataFrame({feature.name: pd.Series([_some_value(feature)]) for feature in features})
    with quiet():
        encoded = workflow.transform(pd.concat([columns, last], ignore_index=True)).iloc[:-1]
    return pd.DataFrame({feature.name: _of_one_type(feature, encoded[feature.name]) for feature in features})


def _of_one_type(feature: Feature, column: pd.Series[Any]) -> Any:
    import numpy as np
    import pandas as pd

    match feature.encoded.form:
        case "scalar":
            return column.to_numpy(dtype=feature.encoded.dtype)
        case "list":
            return pd.Series([np.asarray(ids, dtype=feature.encoded.dtype) for ids in column], dtype=object)
        case "vector":
            return column


def _some_value(feature: Feature) -> Any:
    match feature.encoded.form:
        case "scalar":
            return "" if feature.request.dtype == "string" else 0
        case "list":
            return []
        case "vector":
            return [0.0] * feature.encoded.length
