"""Vectors with the structure of learned item embeddings: many small clusters, and few dominant directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

ITEMS_PER_CLUSTER, SPREAD = 250, 0.7
_AT_A_TIME = 100_000


@dataclass(frozen=True)
class Mixture:
    """A seeded mixture on the unit sphere: centres [C, D], and the spread of vectors around them."""

    centres: Vectors
    spread: float

    def sample(self, count: int, seed: int) -> Vectors:
        """Return vectors of length 1, [count, D]."""
        generator = np.random.default_rng(seed)
        parts = []
        for start in range(0, count, _AT_A_TIME):
            rows = min(_AT_A_TIME, count - start)
            noise = generator.standard_normal((rows, self.centres.shape[1]), dtype=np.float32)
            picked = self.centres[generator.integers(len(self.centres), size=rows)]
            parts.append(_of_length_1(picked + self.spread / np.sqrt(noise.shape[1]) * noise))
        return np.concatenate(parts)


def mixture(vectors: int, dim: int) -> Mixture:
    """Return one centre per 250 vectors; the d-th direction of the centres has a standard deviation of d^-1/2."""
    generator = np.random.default_rng(0)
    directions = generator.standard_normal((dim, dim)) * np.arange(1, dim + 1) ** -0.5
    centres = generator.standard_normal((max(vectors // ITEMS_PER_CLUSTER, 10), dim)) @ directions
    return Mixture(_of_length_1(centres), SPREAD)


def _of_length_1(vectors: NDArray[np.floating]) -> Vectors:  # type: ignore[type-arg]
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled
