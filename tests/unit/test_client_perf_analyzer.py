from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest

from client.errors import BenchError
from client.perf_analyzer import Measurement, read_report, write_input_data

REPORT = (
    "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,"
    "Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency\n"
    "4,2310.46,32,517,602,61,471,30,3,1690,2010,2166,2674\n"
)


def test_input_data_hold_the_rows_with_their_shapes_and_survive_nan_and_unicode(tmp_path: Path) -> None:
    arrays = {
        "recent_items": np.array([[b"a", 'ü"'.encode(), b""], [b"", b"", b""]], dtype=np.object_),
        "hour": np.array([[9], [-1]], dtype=np.int64),
        "basket_value": np.array([[math.nan], [2.5]], dtype=np.float32),
    }
    write_input_data(tmp_path / "data.json", arrays)
    first, second = json.loads((tmp_path / "data.json").read_text())["data"]
    assert first["recent_items"] == {"content": ["a", 'ü"', ""], "shape": [3]}
    assert np.frombuffer(base64.b64decode(second["hour"]["content"]["b64"]), "<i8").tolist() == [-1]
    assert math.isnan(np.frombuffer(base64.b64decode(first["basket_value"]["content"]["b64"]), "<f4")[0])
    assert second["basket_value"]["shape"] == [1]


def test_the_report_gives_percentiles_and_rows_per_second() -> None:
    assert read_report(REPORT) == Measurement(1690.0, 2674.0, 2310.46)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("", "reported 0 measurements"),
        ("Concurrency,p50 latency\n1,2\n", "has columns Concurrency, .*: use the perf_analyzer"),
    ],
)
def test_a_report_without_the_measurement_is_refused(report: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        read_report(report)
