"""Batches of sequences with similar lengths, which need little padding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]


class LengthBatches(torch.utils.data.Sampler[list[int]]):
    """Every number in [0, M) once per epoch, in batches of `batch_size` (the last batch of a bucket may be smaller).

    lengths: [M], lengths of the sequences. A shuffle is cut into buckets of `bucket` batches, each is sorted by length
    and cut into batches, and the batches are shuffled. The order depends only on seed and epoch.
    """

    def __init__(self, lengths: Array, batch_size: int, seed: int = 0, bucket: int = 64) -> None:
        if batch_size < 1 or bucket < 1:
            raise ValueError(f"batch_size {batch_size}, bucket {bucket}: give 1 or more of each")
        self._lengths, self._batch_size, self._seed, self._bucket = lengths, batch_size, seed, bucket * batch_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        whole, rest = divmod(len(self._lengths), self._bucket)
        return whole * (self._bucket // self._batch_size) + -(-rest // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self._seed, self._epoch))
        order = random.permutation(len(self._lengths))
        batches = []
        for start in range(0, len(order), self._bucket):
            bucket = order[start : start + self._bucket]
            bucket = bucket[np.argsort(self._lengths[bucket], kind="stable")]
            batches += [bucket[at : at + self._batch_size] for at in range(0, len(bucket), self._batch_size)]
        for number in random.permutation(len(batches)):
            yield batches[number].tolist()
