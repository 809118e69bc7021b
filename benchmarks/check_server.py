"""Compare a running server with the repository that it serves: golden rows, recorded rows, latencies.

    python -m benchmarks.check_server --url grpc://127.0.0.1:8001 --repository REPOSITORY --data DATA

Golden rows are compared with torch's answers. Recorded rows are answered by every public model with the same
recommendations, and the answers are compared with those of the first model. The same rows are sent to any server:
the embedded one, NVIDIA's image (`docker/check-image.sh`), a host with a GPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stage.arguments import positive
from stage.command import EXIT_BAD_INPUT, Parser, print_result

if TYPE_CHECKING:
    from client.recommend_client import Recommendation

PATHS = ("recommend", "recommend_fused", "recommend_nvtabular")
TOLERANCE = 1e-4
"""Maximal difference of scores, as a share of the row's largest; scores closer than this may be in any order."""


@dataclass(frozen=True)
class Comparison:
    """The differences between a model's answers and the expected ones.

    Attributes:
        rows_from: "golden", compared with torch, or "recorded", compared with the first model.
        model: The model that was asked.
        rows: Number of compared rows.
        other_items: Number of rows whose items differ although their scores do not tie.
        largest: Largest difference of a score, as a share of the row's largest score.
        p50_ms: Median latency of a request with one row, milliseconds.
        p99_ms: 99th percentile of the same latency, milliseconds.

    """

    rows_from: str
    model: str
    rows: int
    other_items: int
    largest: float
    p50_ms: float
    p99_ms: float


def compare(answers: Sequence[Recommendation], expected: Sequence[Recommendation]) -> tuple[int, float]:
    """Return the number of rows with other items, and the largest difference of scores as a share of the row's own."""
    other, largest = 0, 0.0
    for answer, wanted in zip(answers, expected, strict=True):
        size = max((abs(score) for score in wanted.scores), default=1.0) or 1.0
        theirs = dict(zip(wanted.item_ids, wanted.scores, strict=True))
        differences = [abs(a - b) / size for a, b in zip(answer.scores, wanted.scores, strict=False)]
        largest = max([largest, *differences])
        # Items with equal scores up to rounding may swap ranks, the last item with one that is not listed.
        last = min(wanted.scores, default=0.0)
        moved = any(
            abs(theirs.get(item, last) - score) / size > TOLERANCE
            for item, score in zip(answer.item_ids, answer.scores, strict=True)
        )
        other += moved or len(answer.item_ids) != len(wanted.item_ids)
    return other, largest


def check_server(url: str, repository: Path, data: Path, recorded: int) -> list[Comparison]:
    """Send every golden row and `recorded` rows of DATA to each public path of the server.

    Raises:
        ClientError: The server does not answer.
        BadInput: The repository or the data cannot be read.

    """
    from client.recommend_client import RecommendClient
    from export.data.golden import read_item_ids, recorded_rows
    from export.parity.answers import golden_file, read_reference
    from preprocessing.schema import read_fitted
    from stage.errors import BadInput

    paths = [model for model in PATHS if (repository / model / "config.pbtxt").is_file()]
    if not paths:
        raise BadInput(f"{repository} has no {PATHS[0]}: give the output of `export repository --model RANKER`")
    features = read_fitted(data).schema_.request_features
    golden = read_reference(repository / golden_file("offline_online"))
    expected = _as_recommendations(golden.answers, read_item_ids(data))
    sample: list[dict[str, Any]] = recorded_rows(data, features, recorded)
    compared: list[Comparison] = []
    first: list[Recommendation] = []
    for model in paths:
        with RecommendClient(url, model) as client:
            answers, times = _ask(client, golden.rows)
            compared.append(_comparison("golden", model, answers, expected, times))
            answers, times = _ask(client, sample)
            first = first or answers
            compared.append(_comparison("recorded", model, answers, first, times))
    return compared


def _as_recommendations(answers: dict[str, Any], item_ids: list[str]) -> list[Recommendation]:
    from client.recommend_client import Recommendation

    rows = zip(answers["item_ids"].tolist(), answers["score"].tolist(), strict=True)
    kept = ([(item_ids[item], score) for item, score in zip(*row, strict=True) if item] for row in rows)
    return [Recommendation(tuple(item for item, _ in row), tuple(score for _, score in row)) for row in kept]


def _ask(client: Any, rows: Sequence[dict[str, Any]]) -> tuple[list[Recommendation], list[float]]:
    answers, times = [], []
    for row in rows:
        began = time.perf_counter()
        answers += client.recommend([row])
        times.append((time.perf_counter() - began) * 1e3)
    return answers, times


def _comparison(
    rows_from: str,
    model: str,
    answers: Sequence[Recommendation],
    expected: Sequence[Recommendation],
    times: list[float],
) -> Comparison:
    import numpy as np

    other, largest = compare(answers, expected)
    p50, p99 = np.percentile(times, [50, 99]).tolist() if times else (0.0, 0.0)
    return Comparison(rows_from, model, len(answers), other, largest, round(p50, 3), round(p99, 3))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 0 if all answers are as expected, 1 if some are not, 2 on an error."""
    parser = Parser(prog="python -m benchmarks.check_server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="grpc://127.0.0.1:8001", help="grpc://host:port (%(default)s)")
    parser.add_argument("--repository", type=Path, required=True, help="repository that the server serves")
    parser.add_argument("--data", type=Path, required=True, help="data folder from which it was exported")
    parser.add_argument(
        "--rows", type=positive, default=500, metavar="N", help="number of recorded rows to send (%(default)s)"
    )
    options = parser.parse_args(arguments)
    from stage.errors import NaiadError

    try:
        compared = check_server(options.url, options.repository, options.data, options.rows)
    except NaiadError as error:
        print(f"naiad: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    _print_table(compared, options)
    wrong = [each for each in compared if each.other_items or each.largest > TOLERANCE]
    print_result({"url": options.url, "ok": bool(compared) and not wrong, "rows": [asdict(each) for each in compared]})
    return 0 if compared and not wrong else 1


def _print_table(compared: list[Comparison], options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{options.url}, one row per request", title_justify="left")
    for column in ("rows from", "model", "rows", "with other items", "largest difference", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column in ("rows from", "model") else "right")
    for each in compared:
        table.add_row(*(f"{value:.1e}" if name == "largest" else str(value) for name, value in asdict(each).items()))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
