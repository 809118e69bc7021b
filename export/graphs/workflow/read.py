"""The reader of a saved NVTabular workflow's operator graph: the expression of each output column.

The graph is walked like Merlin's executor does: a node sees its parents' columns (those of later parents hide those of
earlier ones), and the request's columns that no parent has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from export.data.saved_workflow import SavedWorkflow
from export.errors import UnsupportedWorkflow
from export.graphs.workflow.expressions import (
    Bucketed,
    Clipped,
    Encoded,
    EncodedTogether,
    Expression,
    Filled,
    Halved,
    Logarithm,
    Raw,
    Scaled,
    Sliced,
    WasNull,
)
from export.graphs.workflow.request import RequestColumn
from export.graphs.workflow.vocabulary import read_vocabulary

Columns = dict[str, Expression]
Read = Callable[[Any, Any, Columns], Columns]

# Operators that change no value: they return the columns that they select.
_SELECTING = ("SelectionOp", "GroupingOp", "ConcatColumns", "SubsetColumns", "SubtractionOp")
_TAGGING = ("AddMetadata", "AddTags", "AddProperties", "TagAsUserID", "TagAsItemID", "TagAsUserFeatures",
            "TagAsItemFeatures")  # fmt: skip


def read_workflow(saved: SavedWorkflow, columns: Sequence[RequestColumn]) -> Columns:
    """Return the expressions of all output columns of a saved workflow, in its order.

    Raises:
        UnsupportedWorkflow: An operator is unknown, or no graph can give equal answers.

    """
    workflow = saved.opened
    # NVTabular caches each vocabulary by its path, even if the file has changed. Import it only after the workflow
    # is opened, which imports Merlin without its warnings.
    from merlin.io.worker import clean_worker_cache

    with suppress(KeyError):
        clean_worker_cache("cats")
    raw = {column.name: Raw(column) for column in columns}
    return _columns(workflow.output_node, raw)


def _columns(node: Any, raw: Mapping[str, Raw]) -> Columns:
    seen: Columns = {}
    for parent in node.parents_with_dependencies:
        seen |= _columns(parent, raw)
    for name in (*node.input_schema.column_names, *node.dependency_columns.names):
        if name not in seen:
            if name not in raw:
                raise UnsupportedWorkflow(
                    f"{name}: the workflow reads it, but no request has it: seen {', '.join(raw)}"
                )
            seen[name] = raw[name]
    if node.op is None:
        return seen
    operator = {"UDF": "LambdaOp"}.get(type(node.op).__name__, type(node.op).__name__)
    selected = node.input_columns.resolve(node.input_schema)
    if operator in ("HashBucket", "HashedCross"):
        raise UnsupportedWorkflow(
            f"{operator} (of {', '.join(selected.names)}): NVTabular hashes a value with its row's position in "
            "the batch, so the same value gets another id in another row: use Categorify"
        )
    if operator not in READERS:
        raise UnsupportedWorkflow(
            f"{operator} (of {', '.join(selected.names)}): this operator cannot be compiled, supported are "
            f"{', '.join(KNOWN_OPERATORS)}: take it out, or serve by preprocess_nvtabular"
        )
    return READERS[operator](node.op, selected, seen)


def _select(_: Any, selected: Any, seen: Columns) -> Columns:
    return {name: seen[name] for name in selected.names}


def _rename(operator: Any, selected: Any, seen: Columns) -> Columns:
    mapping = operator.column_mapping(selected)
    return {new: seen[old] for new, [old] in mapping.items()}


def _fill_missing(operator: Any, selected: Any, seen: Columns) -> Columns:
    return _filled(selected, seen, dict.fromkeys(selected.names, operator.fill_val), operator.add_binary_cols)


def _fill_median(operator: Any, selected: Any, seen: Columns) -> Columns:
    return _filled(selected, seen, operator.medians, operator.add_binary_cols)


def _filled(selected: Any, seen: Columns, values: Mapping[str, Any], indicators: bool) -> Columns:
    columns: Columns = {name: Filled(seen[name], values[name]) for name in selected.names}
    if indicators:
        columns |= {f"{name}_filled": WasNull(seen[name]) for name in selected.names}
    return columns


def _clip(operator: Any, selected: Any, seen: Columns) -> Columns:
    return {name: Clipped(seen[name], operator.min_value, operator.max_value) for name in selected.names}


def _log(_: Any, selected: Any, seen: Columns) -> Columns:
    return {name: Logarithm(seen[name]) for name in selected.names}


def _normalize(operator: Any, selected: Any, seen: Columns) -> Columns:
    import numpy as np

    dtype = str(np.dtype(operator.output_dtype))
    columns: Columns = {}
    for name in selected.names:
        scale = operator.stds[name] if operator.stds[name] > 0 else None
        columns[name] = Scaled(seen[name], operator.means[name], scale, dtype)
    return columns


def _normalize_min_max(operator: Any, selected: Any, seen: Columns) -> Columns:
    import numpy as np

    dtype = str(np.dtype(operator.output_dtype))
    columns: Columns = {}
    for name in selected.names:
        span = operator.maxs[name] - operator.mins[name]
        if not span >= 0:
            raise UnsupportedWorkflow(f"{name}: NormalizeMinMax saw no number in the fit: fit it on rows with numbers")
        columns[name] = Scaled(seen[name], operator.mins[name], span, dtype) if span else Halved(seen[name], dtype)
    return columns


def _bucketize(operator: Any, selected: Any, seen: Columns) -> Columns:
    columns: Columns = {}
    for name in selected.names:
        boundaries = tuple(operator.boundaries(name))
        if list(boundaries) != sorted(boundaries):
            raise UnsupportedWorkflow(f"{name}: Bucketize with boundaries {list(boundaries)}: sort them")
        columns[name] = Bucketed(seen[name], boundaries)
    return columns


def _list_slice(operator: Any, selected: Any, seen: Columns) -> Columns:
    pad_to = operator.max_elements if operator.pad else None
    return {
        name: Sliced(seen[name], operator.start, operator.end, pad_to, operator.pad_value if operator.pad else None)
        for name in selected.names
    }


def _categorify(operator: Any, selected: Any, seen: Columns) -> Columns:
    columns: Columns = {}
    for output, sources in operator.column_mapping(selected).items():
        vocabulary = read_vocabulary(operator, sources, output)
        if len(sources) > 1:
            columns[output] = EncodedTogether(tuple(seen[source] for source in sources), vocabulary)
        else:
            columns[output] = Encoded(seen[sources[0]], vocabulary)
    return columns


READERS: dict[str, Read] = {
    **dict.fromkeys((*_SELECTING, *_TAGGING), _select),
    "Bucketize": _bucketize,
    "Categorify": _categorify,
    "Clip": _clip,
    "FillMedian": _fill_median,
    "FillMissing": _fill_missing,
    "ListSlice": _list_slice,
    "LogOp": _log,
    "Normalize": _normalize,
    "NormalizeMinMax": _normalize_min_max,
    "Rename": _rename,
}
KNOWN_OPERATORS = tuple(sorted(set(READERS) - set(_SELECTING)))
