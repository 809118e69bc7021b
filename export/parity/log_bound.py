"""The bound between compiled logarithms and NVTabular's, as encoded: numpy's float32 log is 4 ulp from the true one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOG_ULPS = 4


def log_bound(encoded: NDArray[np.float32], mean: float = 0.0, std: float = 1.0) -> NDArray[np.float64]:
    """Return the bound for each (log - mean) / std, any shape: `LOG_ULPS` of the log, plus rounding of later steps."""
    scale = std if std > 0 else 1.0
    with np.errstate(all="ignore"):
        log = encoded.astype(np.float64) * scale + mean
        bound = (LOG_ULPS * _ulp(log) + (_ulp(log - mean) if mean else 0.0)) / scale
        total: NDArray[Any] = bound + (_ulp(encoded) if std != 1.0 else 0.0)
    return total * 1.000001


def _ulp(values: NDArray[Any]) -> NDArray[np.float64]:
    ulp: NDArray[np.float64] = np.spacing(np.abs(values).astype(np.float32)).astype(np.float64)
    return ulp
