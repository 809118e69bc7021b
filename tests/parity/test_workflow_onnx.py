"""The compiled workflow answers as `preprocess_nvtabular` does: random schemas, fits and requests through both."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from export.data.golden import Arrays
from export.graphs.workflow import lists, request_columns
from export.triton.tensors import ENCODED
from preprocessing.schema import Categorical, Feature, Numeric, Pretrained, Sequence
from tests.parity.workflow_graph import Graph, Reference, assert_near_logs, assert_same_numbers

STRINGS = [
    "a",
    "b",
    "A",
    " a",
    "ß",
    "ſs",
    "käse 寿司",
    "🧀",
    "e\u0301",
    "é",
    "\u202e",
    "0",
    "00",
    "nan",
    "None",
    "x" * 40,
]
INTEGERS = [0, 1, -1, 7, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.1, 59.9999, 60.0, 1e-45, 1e-8, -0.99999994, 1e6, 3.4e38, -3.4e38]
UGLY_NUMBERS = [*NUMBERS, float("nan"), float("inf"), float("-inf")]
UGLY_BYTES = [*(s.encode() for s in STRINGS), b"", b"never seen", b"\xff\xfe", b"a\xff", "\U0010ffff".encode()]


@st.composite
def features(draw: st.DrawFn) -> tuple[Feature, ...]:
    kinds = draw(
        st.lists(st.sampled_from(["string", "int", "numeric", "buckets", "sequence", "vector"]), min_size=1, max_size=6)
    )
    return tuple(_feature(draw, kind, f"f{place}_{kind}") for place, kind in enumerate(kinds))


def _feature(draw: st.DrawFn, kind: str, name: str) -> Feature:
    where: dict[str, Any] = {"name": name, "side": "user"}
    few = st.sampled_from(NUMBERS)
    match kind:
        case "string" | "int":
            return Categorical(kind="categorical", dtype=kind, min_frequency=draw(st.integers(0, 3)), **where)
        case "buckets":
            return Numeric(
                kind="numeric", fill=draw(few), buckets=tuple(sorted(draw(st.sets(few, max_size=4)))), **where
            )
        case "numeric":
            low, high = sorted(draw(st.tuples(few, few)))
            clip = (low, high) if low < high and draw(st.booleans()) else None
            log, normalize = draw(st.booleans()), draw(st.booleans())
            return Numeric(kind="numeric", fill=draw(few), clip=clip, log=log, normalize=normalize, **where)
        case "sequence":
            return Sequence(kind="sequence", max_length=draw(st.integers(1, 6)), **where)
        case _:
            return Pretrained(kind="pretrained", dim=draw(st.integers(1, 3)), **where)


def raw_rows(features: tuple[Feature, ...], random: np.random.Generator, count: int) -> pd.DataFrame:
    """Rows to fit on: values of the pools, some null."""

    def some(pool: list[Any], nulls: float) -> list[Any]:
        return [None if random.random() < nulls else pool[random.integers(len(pool))] for _ in range(count - 1)]

    columns: dict[str, Any] = {}
    for feature in features:
        match feature:
            case Categorical(dtype="int"):
                columns[feature.name] = [INTEGERS[0], *some(INTEGERS[:6], 0)]
            case Categorical():
                columns[feature.name] = [STRINGS[0], *some(STRINGS[:9], 0.2)]
            case Numeric():
                columns[feature.name] = np.array([1.5, *some([0.0, 0.5, 3.25, 60.0, 0.1], 0.2)], dtype=np.float64)
            case Sequence():
                columns[feature.name] = [["a"]] * count
            case Pretrained():
                columns[feature.name] = [[0.5] * feature.dim] * count
    return pd.DataFrame(columns)


def requests(features: tuple[Feature, ...], random: np.random.Generator, rows: int, positions: int) -> Arrays:
    """A request of ugly values; `positions` in each sequence."""

    def some(pool: list[Any], *shape: int) -> np.ndarray[Any, Any]:
        return np.array(pool, dtype=object)[random.integers(len(pool), size=shape)]

    arrays: Arrays = {}
    for feature in features:
        match feature:
            case Categorical(dtype="int"):
                arrays[feature.name] = some(INTEGERS, rows, 1).astype(np.int64)
            case Categorical():
                arrays[feature.name] = some(UGLY_BYTES, rows, 1)
            case Numeric():
                spread = np.concatenate([UGLY_NUMBERS, random.gamma(0.5, 10, size=20)])
                arrays[feature.name] = some(list(spread), rows, 1).astype(np.float32)
            case Sequence():
                arrays[feature.name] = some([*UGLY_BYTES, b"", b"", b""], rows, positions)
            case Pretrained():
                arrays[feature.name] = some(UGLY_NUMBERS, rows, feature.dim).astype(np.float32)
    return arrays


def assert_equal_answers(reference: Reference, features: tuple[Feature, ...], arrays: Arrays) -> None:
    """Ids, shapes and types equal; numbers to the last bit, or within the bound of the logarithm."""
    expected, found = reference(arrays), reference.graph(arrays)
    assert list(found) == list(expected)
    for feature in features:
        ids, numbers = found[feature.name + ENCODED], expected[feature.name + ENCODED]
        if isinstance(feature, Numeric) and feature.log:
            mean, std = _statistics(reference, feature.name) if feature.normalize else (0.0, 1.0)
            assert_near_logs(numbers, ids, mean, std)
        elif numbers.dtype == np.float32:
            assert_same_numbers(numbers, ids)
        else:
            assert ids.dtype == np.int64
            np.testing.assert_array_equal(ids, numbers)


def _statistics(reference: Reference, name: str) -> tuple[float, float]:
    from merlin.dag.node import iter_nodes

    for node in iter_nodes([reference.workflow.output_node]):
        if type(node.op).__name__ == "Normalize" and name in node.op.means:
            return node.op.means[name], node.op.stds[name]
    raise AssertionError(f"{name} is not normalized")


# Without shrinking, which would fit a workflow at every step: minutes.
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    features=features(),
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 14)), min_size=3, max_size=3),
)
def test_random_workflows_answer_as_their_graphs(
    features: tuple[Feature, ...], seed: int, sizes: list[tuple[int, int]]
) -> None:
    random = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        reference = Reference(features, raw_rows(features, random, 40), STRINGS[:9], Path(folder))
        for rows, positions in sizes:
            assert_equal_answers(reference, features, requests(features, random, rows, positions))


EVERY_KIND: tuple[Feature, ...] = (
    Categorical(kind="categorical", name="city", side="user", min_frequency=2),
    Categorical(kind="categorical", name="slot", side="context", dtype="int"),
    Numeric(kind="numeric", name="age", side="user", fill=0.1, clip=(-0.0, 60.0), normalize=True),
    Numeric(kind="numeric", name="value", side="context", log=True, normalize=True),
    Numeric(kind="numeric", name="screen", side="context", buckets=(-1.0, 0.1, 60.0)),
    Sequence(kind="sequence", name="recent", side="user", max_length=5),
    Sequence(kind="sequence", name="basket", side="context", max_length=3),
)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    rows = raw_rows((*EVERY_KIND, VECTOR), np.random.default_rng(3), 60)
    return Reference((*EVERY_KIND, VECTOR), rows, STRINGS[:9], tmp_path_factory.mktemp("every_kind"))


VECTOR = Pretrained(kind="pretrained", name="taste", side="user", dim=3)


def test_ten_thousand_rows_are_equal(every_kind: Reference) -> None:
    every = (*EVERY_KIND, VECTOR)
    assert_equal_answers(every_kind, every, requests(every, np.random.default_rng(5), 10_000, 9))


@pytest.mark.parametrize("positions", [0, 4])
def test_zero_rows_give_zero_rows(tmp_path: Path, positions: int) -> None:
    features = (*EVERY_KIND, VECTOR)
    reference = Reference(features, raw_rows(features, np.random.default_rng(3), 60), STRINGS[:9], tmp_path)
    assert_equal_answers(reference, features, requests(features, np.random.default_rng(5), 0, positions))


def test_a_logarithm_of_narrow_numbers_is_within_the_bound_that_their_deviation_leaves(tmp_path: Path) -> None:
    year = Numeric(name="year", kind="numeric", side="user", log=True, normalize=True)
    years = np.random.default_rng(4).integers(1930, 2000, 400).astype(np.float64)
    reference = Reference((year,), pd.DataFrame({"year": years}), STRINGS[:1], tmp_path)
    arrays = {"year": years[:, None].astype(np.float32)}
    assert_equal_answers(reference, (year,), arrays)
    assert np.abs(reference(arrays)["year.encoded"] - reference.graph(arrays)["year.encoded"]).max() > 1e-5


def test_a_row_answers_alone_as_among_others(every_kind: Reference) -> None:
    arrays = requests((*EVERY_KIND, VECTOR), np.random.default_rng(6), 37, 9)
    together = every_kind.graph(arrays)
    for row in range(37):
        alone = every_kind.graph({name: array[row : row + 1] for name, array in arrays.items()})
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], together[name][row])


def test_padding_among_the_items_is_dropped_and_the_newest_are_kept(every_kind: Reference) -> None:
    arrays = requests((*EVERY_KIND, VECTOR), np.random.default_rng(6), 1, 9)
    arrays["basket"] = np.array([[b"", b"a", b"b", b"", b"", b"A", b"", b" a", b""]], dtype=object)
    expected = [3 + STRINGS.index(item) for item in ("b", "A", " a")]
    assert every_kind.graph(arrays)["basket.encoded"].tolist() == [expected]


def test_a_history_of_any_length_keeps_its_newest_items(every_kind: Reference) -> None:
    arrays = requests((*EVERY_KIND, VECTOR), np.random.default_rng(6), 2, 5000)
    newest = {name: array[:, -1000:] if array.shape[1] == 5000 else array for name, array in arrays.items()}
    found, expected, of_newest = every_kind.graph(arrays), every_kind(arrays), every_kind(newest)
    for name in ("recent.encoded", "basket.encoded"):
        np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_array_equal(found[name], of_newest[name])


def test_lists_that_share_a_large_vocabulary_are_equal(
    every_kind: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "SHARED_KEYS", 1)
    shared = Graph(every_kind.saved, request_columns((*EVERY_KIND, VECTOR)), tmp_path / "model.onnx")
    for rows, positions in ((7, 9), (3, 0), (0, 4)):
        arrays = requests((*EVERY_KIND, VECTOR), np.random.default_rng(8), rows, positions)
        arrays["basket"] = arrays["basket"][:, :2]
        expected, found = every_kind.graph(arrays), shared(arrays)
        assert list(found) == list(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_outputs_are_those_of_the_config(every_kind: Reference) -> None:
    declared = {(output.name, output.dtype, output.dims) for output in every_kind.config.outputs}
    assert {(output.name, output.dtype, output.dims) for output in every_kind.graph.outputs} == declared
