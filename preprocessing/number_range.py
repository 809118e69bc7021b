"""The check that the workflow keeps numbers finite: one NaN would make the mean, and with it every row, NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from preprocessing.log.errors import LogError
from preprocessing.schema import Feature, Numeric


def require_in_range(features: tuple[Feature, ...], rows: Any) -> None:
    """Refuse a number that the workflow would turn infinite or NaN, as log(1 + x) does for x <= -1.

    rows: a pandas or Dask frame of raw columns. A feature's `fill` counts as a value: a request may lack the number.
    """
    import dask

    numeric = [feature for feature in features if isinstance(feature, Numeric) and not feature.buckets]
    if not numeric:
        return
    columns = rows[[feature.name for feature in numeric]]
    with np.errstate(over="ignore"):
        lowest, highest = (ends.astype(np.float32) for ends in dask.compute(columns.min(), columns.max()))
    for feature in numeric:
        ends = np.array([lowest[feature.name], highest[feature.name]], dtype=np.float64)
        _check(feature, [feature.fill, *ends[~np.isnan(ends)]])


def _check(feature: Numeric, values: list[float]) -> None:
    seen = np.array(values) if feature.clip is None else np.clip(values, *feature.clip)
    what = f"column {feature.raw_column!r}" if feature.source == "column" else feature.source
    if not np.isfinite(seen).all():
        raise LogError(
            f"{what} reaches {seen[~np.isfinite(seen)][0]:g} in float32, but numbers must be finite: clean it, "
            f"or say clip = [low, high] for the feature {feature.name!r}"
        )
    if feature.log and seen.min() <= -1:
        raise LogError(
            f"{what} has the smallest value {seen.min():g}, but log = true takes log(1 + x) and needs more than -1: "
            f"say clip = [0.0, ...] for the feature {feature.name!r}"
        )
