"""Operators beyond the schema's own: the compiled graph answers as NVTabular's `workflow.transform`."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from export.errors import UnsupportedWorkflow
from export.graphs.workflow import RequestColumn
from export.triton.tensors import ENCODED
from preprocessing.nvtabular_engine import import_nvtabular
from tests.parity.workflow_graph import Graph, assert_near_logs, assert_same_numbers, fit_and_save, transform

ops: Any = import_nvtabular().ops

X, N = RequestColumn("x", "number"), RequestColumn("n", "int")
FLOATS = [0.0, -0.0, 1.0, 2.5, 0.1, -3.75, 60.0, 1e-45, 3.4e38, float("nan"), float("inf"), float("-inf")]
INTEGERS = [0, 1, -1, 5, 60, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
BOUNDS = st.sampled_from([-1.0, 0.0, 0.1, 0.5, 2.0, 60.0, 1e300])

NUMERIC = st.one_of(
    st.builds(ops.FillMissing, st.sampled_from([0, -1, 0.1, 2.5])),
    st.builds(ops.FillMedian),
    st.builds(ops.LogOp),
    st.builds(ops.Normalize, st.sampled_from([None, np.float32])),
    st.builds(ops.NormalizeMinMax, st.sampled_from([None, np.float32])),
    st.builds(lambda low: ops.Clip(min_value=low), BOUNDS),
    st.builds(lambda high: ops.Clip(max_value=high), BOUNDS),
    st.builds(lambda bounds: ops.Clip(*sorted(bounds)), st.tuples(BOUNDS, BOUNDS)),
    st.builds(lambda bounds: ops.Bucketize(sorted(bounds)), st.lists(BOUNDS, min_size=1, max_size=4)),
    st.builds(ops.Rename, postfix=st.just("_more")),
    st.builds(ops.AddTags, st.just(["continuous"])),
)
# The last: NVTabular computes with no indicator.
INDICATORS = st.sampled_from([None, ops.FillMissing(1, add_binary_cols=True), ops.FillMedian(add_binary_cols=True)])

# Without shrinking, which would fit a workflow at every step: minutes.
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def raw(column: RequestColumn, pool: list[Any], random: np.random.Generator, rows: int) -> np.ndarray[Any, Any]:
    values = np.array(pool)[random.integers(len(pool), size=(rows, 1))]
    return values.astype(np.float32 if column.kind == "number" else np.int64)


@SETTINGS
@given(
    chain=st.lists(NUMERIC, min_size=1, max_size=4),
    last=INDICATORS,
    column=st.sampled_from([X, N]),
    constant=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_numeric_chains(chain: list[Any], last: Any, column: RequestColumn, constant: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    pool: list[Any] = [2] if constant else [0.0, 1.5, 2.5, 7.0, 60.0] if column is X else [0, 2, 3, 60]
    fitted = np.array(pool)[random.integers(len(pool), size=20)]
    node: Any = [column.name]
    for operator in [*chain, *([last] if last else [])]:
        node = node >> operator
    with TemporaryDirectory() as folder:
        dtype = np.float64 if column is X else np.int64
        workflow = fit_and_save(node, pd.DataFrame({column.name: fitted.astype(dtype)}), Path(folder))
        try:
            graph = Graph(Path(folder), [column], Path(folder) / "model.onnx")
        except UnsupportedWorkflow:
            return
        for rows in (0, 1, 9, 64):
            values = raw(column, FLOATS if column is X else INTEGERS, random, rows)
            with np.errstate(all="ignore"):
                expected = transform(
                    workflow, pd.DataFrame({column.name: values[:, 0].astype(dtype)}), {column.name: 1}
                )
            found = graph({column.name: values})
            assert set(found) == set(expected)
            logs = sum(isinstance(operator, ops.LogOp) for operator in chain)
            for name, answer in expected.items():
                assert_same(answer[:, None], found[name], logs)


def assert_same(expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], logs: int) -> None:
    """Integers equal; numbers to the last bit, but for what follows a logarithm."""
    if found.dtype == np.int64:
        np.testing.assert_array_equal(found, expected.astype(np.int64))
    elif not logs:
        with np.errstate(over="ignore"):
            assert_same_numbers(expected, found)
    else:
        # Each later step carries the few units in the last place on, divided by its scale.
        np.testing.assert_allclose(found, expected.astype(np.float32), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("fill", [True, False])
def test_clip_keeps_nan_and_takes_infinities_to_its_bounds(tmp_path: Path, fill: bool) -> None:
    values = np.array(FLOATS, dtype=np.float32)
    for place, clip in enumerate(
        (ops.Clip(0.0, 2.5), ops.Clip(min_value=-0.1), ops.Clip(max_value=0.1), ops.Clip(9, 1))
    ):
        node = ["x"] >> ops.FillMissing(0.3) >> clip if fill else ["x"] >> clip
        workflow = fit_and_save(node, pd.DataFrame({"x": [0.0, 1.0]}), tmp_path / str(place))
        graph = Graph(tmp_path / str(place), [X], tmp_path / "model.onnx")
        [expected] = transform(workflow, pd.DataFrame({"x": values.astype(np.float64)}), {"x": 1.0}).values()
        assert_same_numbers(expected, graph({"x": values[:, None]})["x" + ENCODED][:, 0])


def test_buckets_beyond_float32_are_cut_where_float64_cuts_them(tmp_path: Path) -> None:
    values = np.array(FLOATS, dtype=np.float32)
    workflow = fit_and_save(["x"] >> ops.Bucketize([0.5, 1e300]), pd.DataFrame({"x": [0.0, 1.0]}), tmp_path)
    graph = Graph(tmp_path, [X], tmp_path / "model.onnx")
    [expected] = transform(workflow, pd.DataFrame({"x": values.astype(np.float64)}), {"x": 1.0}).values()
    np.testing.assert_array_equal(graph({"x": values[:, None]})["x" + ENCODED][:, 0], expected)


def test_logarithms_are_within_their_bound(tmp_path: Path) -> None:
    values = np.concatenate([np.geomspace(1e-8, 3e38, 200_000), np.linspace(0, 4, 200_000), FLOATS]).astype(np.float32)
    workflow = fit_and_save(["x"] >> ops.LogOp(), pd.DataFrame({"x": [0.0, 1.0]}), tmp_path)
    graph = Graph(tmp_path, [X], tmp_path / "model.onnx")
    with np.errstate(all="ignore"):
        expected = transform(workflow, pd.DataFrame({"x": values.astype(np.float64)}), {"x": 1.0})["x" + ENCODED]
    assert_near_logs(expected, graph({"x": values[:, None]})["x" + ENCODED][:, 0])


KEYS = ["a", "b", "c", "ä", "🧀", "zz", ""]
CATEGORIFY = st.fixed_dictionaries(
    {},
    optional={
        "freq_threshold": st.integers(1, 4),
        "max_size": st.integers(4, 8),
        "dtype": st.sampled_from([np.int32, np.int64]),
        "single_table": st.booleans(),
        "num_buckets": st.just(1),
        "cat_cache": st.sampled_from(["host", "disk"]),
    },
).filter(lambda chosen: not {"freq_threshold", "max_size"} <= set(chosen))


def categorify(folder: str, options: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*num_buckets", category=UserWarning)
        return ops.Categorify(out_path=folder, **options)


@SETTINGS
@given(
    options=CATEGORIFY,
    encode_type=st.sampled_from(["each", "joint", "combo"]),
    fill=st.sampled_from([None, "a", "never seen"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_categorify_of_strings(options: dict[str, Any], encode_type: str, fill: str | None, seed: int) -> None:
    random = np.random.default_rng(seed)
    pool = np.array([*KEYS[:5], None], dtype=object)
    frame = pd.DataFrame({name: ["a", *pool[random.integers(len(pool), size=30)]] for name in ("s", "t")})
    with TemporaryDirectory() as folder:
        how = options if encode_type == "each" else {**options, "encode_type": encode_type}
        node: Any = ["s", "t"] if encode_type == "each" else [["s", "t"]]
        if fill is not None:
            node = node >> ops.FillMissing(fill) if encode_type == "each" else node
        workflow = fit_and_save(node >> categorify(folder, how), frame, Path(folder) / "saved")
        columns = [RequestColumn("s", "string"), RequestColumn("t", "string")]
        graph = Graph(Path(folder) / "saved", columns, Path(folder) / "model.onnx")
        for rows in (1, 40):
            asked = {
                name: np.array(KEYS, dtype=object)[random.integers(len(KEYS), size=(rows, 1))] for name in ("s", "t")
            }
            nulls = {name: [value or None for value in values[:, 0]] for name, values in asked.items()}
            expected = transform(workflow, pd.DataFrame(nulls, dtype=object), {"s": "a", "t": "a"})
            found = graph(
                {name: np.array([[v.encode()] for v in values[:, 0]], object) for name, values in asked.items()}
            )
            assert list(found) == list(expected)
            for name, ids in expected.items():
                np.testing.assert_array_equal(found[name][:, 0], ids)


@SETTINGS
@given(
    options=CATEGORIFY,
    encode_type=st.sampled_from(["each", "combo"]),
    fitted_as=st.sampled_from([np.int64, np.int32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_categorify_of_integers(options: dict[str, Any], encode_type: str, fitted_as: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({name: random.choice([0, 1, -1, 5, 60, 2**31 - 1], 30).astype(fitted_as) for name in "nm"})
    with TemporaryDirectory() as folder:
        how = options if encode_type == "each" else {**options, "encode_type": encode_type}
        node: Any = ["n", "m"] if encode_type == "each" else [["n", "m"]]
        workflow = fit_and_save(node >> categorify(folder, how), frame, Path(folder) / "saved")
        graph = Graph(Path(folder) / "saved", [N, RequestColumn("m", "int")], Path(folder) / "model.onnx")
        asked = {name: random.choice(INTEGERS, 50)[:, None] for name in "nm"}
        expected = transform(workflow, pd.DataFrame({k: v[:, 0] for k, v in asked.items()}), {"n": 0, "m": 0})
        found = graph(asked)
        assert list(found) == list(expected)
        for name, ids in expected.items():
            np.testing.assert_array_equal(found[name][:, 0], ids)


SLICES = st.builds(
    lambda start, stop, pad, value: ops.ListSlice(start, stop, pad=pad and not (stop or 0) < 0, pad_value=value),
    st.integers(-4, 4),
    st.one_of(st.none(), st.integers(-3, 5)),
    st.booleans(),
    st.sampled_from(["a", "never seen", 0.0]),
).filter(lambda operator: operator.max_elements > 0)


@SETTINGS
@given(
    before=st.lists(SLICES, max_size=2),
    after=st.lists(SLICES, max_size=2),
    kind=st.sampled_from(["items", "integers"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_slices_of_lists(before: list[Any], after: list[Any], kind: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    known: list[Any] = ["a", "b", "c"] if kind == "items" else [1, 2, 3]
    if kind == "integers":
        for operator in (*before, *after):
            operator.pad_value = 2
    with TemporaryDirectory() as folder:
        node: Any = ["l"]
        for operator in (*before, ops.Categorify(vocabs={"l": pd.Series(known)}, out_path=folder), *after):
            node = node >> operator
        try:
            workflow = fit_and_save(node, pd.DataFrame({"l": [known * 4]}), Path(folder) / "saved")
        except TypeError:
            reject()  # slices that leave nothing of any list: NVTabular cannot fit them
        try:
            graph = Graph(Path(folder) / "saved", [RequestColumn("l", kind)], Path(folder) / "model.onnx")
        except UnsupportedWorkflow:
            return
        for positions in (0, 1, 7):
            pool = ["a", "b", "c", "zz", "", ""] if kind == "items" else [1, 2, 3, -9]
            rows = [[pool[place] for place in random.integers(len(pool), size=positions)] for _ in range(20)]
            lists = [[value for value in row if value != ""] for row in rows]
            expected = transform(workflow, pd.DataFrame({"l": pd.Series(lists)}), {"l": known * 4})["l" + ENCODED]
            raw_rows = [[value.encode() if kind == "items" else value for value in row] for row in rows]
            asked = np.array(raw_rows, dtype=object if kind == "items" else np.int64).reshape(20, positions)
            found = graph({"l": asked})["l" + ENCODED]
            assert found.shape[1] >= 1
            for ids, row in zip(expected, found.tolist(), strict=True):
                assert row == [*ids, *[0] * (len(row) - len(ids))]
