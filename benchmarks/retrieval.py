"""The cost and recall of indexes of item vectors: exact search, HNSW and IVF, and exact top-k inside a graph.

It answers two questions on 2 cores. Over a million vectors, how many of the exact 100 nearest does HNSW find, and how
many times the queries per second of exact search does it reach? Over the 60,000 of a shop, does the exported graph of
`item_index` beat NumPy's product and argpartition at a batch of 32? Queries come from the same mixture as the vectors.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.retrieval_results import EXACT, GRAPH, NUMPY, Row, best_of, print_table
from stage.command import Parser, leave, print_result, run_command

# Waiting threads must not spin, because others may need the cores, and a build would take many times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DIM, TOP_K, BATCH, CORES, ROUNDS = 64, 100, 32, 2, 3
EF_SEARCH = (100, 150, 200, 300, 400, 600)
PROBES = (4, 8, 16, 32, 64, 128)


def approximate_rows(count: int, queries: int, report: Callable[[str], None]) -> list[Row]:
    """Measure exact search, HNSW and IVF over one set of vectors, each at every setting."""
    import numpy as np

    from benchmarks.retrieval_vectors import mixture
    from export.families.two_tower.index.hnsw import build_hnsw, load_faiss, recall

    faiss = load_faiss()
    faiss.omp_set_num_threads(CORES)
    source = mixture(count, DIM)
    vectors, asked = source.sample(count, seed=1), source.sample(queries, seed=2)

    def built(make: Callable[[], Any]) -> tuple[Any, float, float]:
        started = time.perf_counter()
        index = make()
        return index, round(time.perf_counter() - started, 1), _size_mb(index)

    def flat() -> Any:
        index = faiss.IndexFlatIP(DIM)
        index.add(vectors)
        return index

    def lists() -> Any:
        cells = int(4 * np.sqrt(count))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, cells, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[: 40 * cells])
        index.add(vectors)
        return index

    report(EXACT)
    exact, *cost = built(flat)
    seconds = _median_s(lambda: exact.search(asked, TOP_K), ROUNDS)
    expected = exact.search(asked, TOP_K)[1]
    rows = [Row(EXACT, count, 1.0, round(queries / seconds, 1), *cost)]
    kinds: tuple[tuple[str, Callable[[], Any], Sequence[int], Callable[[int], Any]], ...] = (
        ("ivf nprobe", lists, PROBES, lambda n: faiss.SearchParametersIVF(nprobe=n)),
        ("hnsw efSearch", lambda: build_hnsw(vectors), EF_SEARCH, lambda n: faiss.SearchParametersHNSW(efSearch=n)),
    )
    for kind, make, settings, parameters in kinds:
        report(kind)
        index, *cost = built(make)
        for setting in settings:
            how = parameters(setting)
            seconds = _median_s(partial(index.search, asked, TOP_K, params=how), ROUNDS)
            found = index.search(asked, TOP_K, params=how)[1]
            row = Row(f"{kind}={setting}", count, round(recall(expected, found), 4), round(queries / seconds, 1), *cost)
            rows.append(row)
            report(f"{row.name}: recall {row.recall}, {row.per_second}/s")
        del index
    return rows


def graph_rows(count: int) -> list[Row]:
    """Measure the exported exact graph and NumPy in turn, at a batch of 32."""
    import numpy as np
    import onnxruntime

    from benchmarks.retrieval_vectors import mixture
    from export.families.two_tower.index.exact import write_exact
    from preprocessing.schema import FIRST_KNOWN_ID

    source = mixture(count, DIM)
    vectors, asked = source.sample(count, seed=1), source.sample(BATCH, seed=2)
    table = np.concatenate([np.zeros((FIRST_KNOWN_ID, DIM), dtype=np.float32), vectors])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        started = time.perf_counter()
        write_exact(table, TOP_K, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = CORES
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        build_s, memory_mb = round(time.perf_counter() - started, 2), round(path.stat().st_size / 1e6, 1)
    inputs = {"user_vector": asked, "exclude.encoded": np.zeros((BATCH, 8), dtype=np.int64)}

    def by_numpy() -> Any:
        scores = asked @ vectors.T
        best = np.argpartition(scores, -TOP_K, axis=1)[:, -TOP_K:]
        return np.take_along_axis(best, np.take_along_axis(scores, best, axis=1).argsort(axis=1)[:, ::-1], axis=1)

    def by_graph() -> Any:
        return session.run(["item_ids"], inputs)[0] - FIRST_KNOWN_ID

    np.testing.assert_array_equal(np.sort(by_graph()), np.sort(by_numpy()))
    per_second = {name: round(BATCH / _median_s(call, 30), 1) for name, call in ((GRAPH, by_graph), (NUMPY, by_numpy))}
    return [
        Row(GRAPH, count, 1.0, per_second[GRAPH], build_s, memory_mb),
        Row(NUMPY, count, 1.0, per_second[NUMPY], 0.0, round(vectors.nbytes / 1e6, 1)),
    ]


def _median_s(call: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _size_mb(index: Any) -> float:
    """Return the size of the index as a file, which equals its size in memory."""
    from export.families.two_tower.index.hnsw import load_faiss

    with tempfile.NamedTemporaryFile() as file:
        load_faiss().write_index(index, file.name)
        return round(Path(file.name).stat().st_size / 1e6, 1)


def run(arguments: argparse.Namespace) -> None:
    from benchmarks.retrieval_plot import draw

    def report(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    rows = [*graph_rows(arguments.items), *approximate_rows(arguments.vectors, arguments.queries, report)]
    print_table(rows)
    if arguments.plot:
        draw(rows, arguments.plot)
    of_name = {row.name: row for row in rows}
    hnsw = best_of(rows, "hnsw")
    print_result(
        {
            "hnsw": hnsw and hnsw.name,
            "hnsw_times_exact": hnsw and round(hnsw.per_second / of_name[EXACT].per_second, 1),
            "graph_times_numpy": round(of_name[GRAPH].per_second / of_name[NUMPY].per_second, 1),
            "rows": [row.as_json() for row in rows],
        }
    )


def main() -> None:
    parser = Parser(prog="python -m benchmarks.retrieval", description=__doc__)
    parser.add_argument(
        "--vectors", type=int, default=1_000_000, help="number of vectors for HNSW and IVF (default %(default)s)"
    )
    parser.add_argument("--queries", type=int, default=1000, help="(default %(default)s)")
    parser.add_argument(
        "--items", type=int, default=60_000, help="number of items for the exact graph (default %(default)s)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="plot recall against queries per second")
    arguments = parser.parse_args()
    run_command(lambda: run(arguments))


if __name__ == "__main__":
    leave(main)
