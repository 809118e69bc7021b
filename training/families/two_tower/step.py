"""The step of the `two_tower` family: a softmax over the batch's items, and over more items if the settings say so."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from preprocessing.schema import FIRST_KNOWN_ID, PADDING_ID
from training.examples.moments import Array
from training.families.two_tower.config import TwoTowerSettings
from training.families.two_tower.model import TwoTower
from training.losses import sampled_softmax
from training.losses.negatives import log_share
from training.step import TrainingStep


class TwoTowerStep(TrainingStep):
    """Return the loss of a batch; one example is a row with one of its T targets.

    The candidates of all examples are the batch's targets, then `uniform_negatives` items drawn from the catalogue
    (mixed negative sampling, Yang et al. 2020, WWW), then the `memory` latest targets of earlier batches with the
    vectors that they had then (cross-batch negative sampling, Wang et al. 2021, SIGIR). The memory is for catalogues of
    which a batch contains a small part: it pushes users but no items, so items that are in every batch drift together.
    """

    model: TwoTower
    log_share: Tensor
    memory_items: Tensor
    memory_vectors: Tensor

    def __init__(self, model: TwoTower, counts: Array, settings: TwoTowerSettings) -> None:
        """counts: [I], how often each item is a target of the rows that train."""
        super().__init__(model)
        self._settings = settings
        self._known = len(counts) - FIRST_KNOWN_ID
        self.register_buffer(
            "log_share", torch.from_numpy(log_share(counts, settings.logq_strength)).float(), persistent=False
        )
        self.register_buffer("memory_items", torch.full((settings.memory,), PADDING_ID))
        self.register_buffer("memory_vectors", torch.zeros(settings.memory, model.dim))

    def forward(self, features: dict[str, Tensor], rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        drawn = torch.randint(
            FIRST_KNOWN_ID, FIRST_KNOWN_ID + self._known, (self._settings.uniform_negatives,), device=targets.device
        )
        fresh = torch.cat([targets, drawn])
        unique, place = torch.unique(fresh, return_inverse=True)
        vectors = self.model.item_vectors(unique)[place].float()
        users = self.model.user(features)[rows].float()
        positives = vectors[: len(targets)]
        candidates = torch.cat([fresh, self.memory_items])
        pool = torch.cat([vectors, self.memory_vectors])
        log_q = self._log_q(len(targets))
        loss = sampled_softmax(
            (users * positives).sum(dim=1) / self._settings.temperature,
            users @ pool.T / self._settings.temperature,
            self._negatives(rows, targets, candidates),
            log_q[targets],
            log_q[candidates],
            self._settings.logq,
        )
        if self.training and self._settings.memory:
            self._remember(targets, positives)
        return {"loss": loss}

    def _negatives(self, rows: Tensor, targets: Tensor, candidates: Tensor) -> Tensor:
        """Return which candidates are negatives of which example, [T, P]."""
        there = candidates != PADDING_ID
        if not self._settings.mask_duplicates:
            own = torch.zeros(len(targets), len(candidates), dtype=torch.bool, device=targets.device)
            own.fill_diagonal_(True)
            return there & ~own
        same = (targets[:, None] == candidates).float()
        of_row = torch.zeros(int(rows.max()) + 1, len(candidates), device=same.device).index_add(0, rows, same)
        return there & (of_row[rows] == 0)

    def _log_q(self, targets: int) -> Tensor:
        """Return the log of the probability that a candidate is the item, over all slots of the pool, [I]."""
        uniform = self._settings.uniform_negatives
        if not uniform:
            return self.log_share
        places = targets + uniform + int((self.memory_items != PADDING_ID).sum())
        return torch.logaddexp(
            self.log_share + math.log((places - uniform) / places),
            torch.tensor(math.log(uniform / places) - math.log(self._known), device=self.log_share.device),
        )

    def _remember(self, items: Tensor, vectors: Tensor) -> None:
        size = self._settings.memory
        self.memory_items = torch.cat([self.memory_items, items])[-size:]
        self.memory_vectors = torch.cat([self.memory_vectors, vectors.detach()])[-size:]
