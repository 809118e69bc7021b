"""The loss of a next-item model: hidden vectors at the real positions against the table of items."""

from __future__ import annotations

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from preprocessing.schema import FIRST_KNOWN_ID
from training.examples.moments import Array
from training.loss_choice import Loss, LossSettings, default_loss
from training.losses.linear import full_softmax
from training.losses.negatives import Negatives, negative_scores
from training.losses.pairwise import bpr_max, gbce, gbce_beta
from training.losses.sampled import sampled_linear_softmax, sampled_softmax

BLOCK = 2**22
"""Numbers of one temporary tensor above which positions are taken in blocks, whose scores are computed again for the
gradients: this bounds the memory, and large temporaries leave the caches."""


class NextItemLoss(nn.Module):
    """Return the loss that the settings choose; negatives are drawn from torch's generator."""

    def __init__(self, settings: LossSettings, counts: Array) -> None:
        """counts: [I], how often each item is a target of the training sequences."""
        super().__init__()
        self._settings = settings
        known = len(counts) - FIRST_KNOWN_ID
        self.loss: Loss = settings.loss or default_loss(known)
        self.negatives = Negatives(counts, settings.negatives, settings.negatives_popularity, settings.negatives_shared)
        self.beta = gbce_beta(known, self.negatives.count, settings.calibration)

    def forward(self, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over positions, a scalar; zero if there are none.

        hidden: [N, D], at real positions only. table: [I, D]; the special ids are never candidates. targets: [N] int64,
        the id of the item that followed.
        """
        hidden, table = hidden.float(), table.float()
        if not len(targets):
            return (hidden.sum() + table.sum()) * 0
        if self.loss == "softmax":
            known = table[FIRST_KNOWN_ID:]
            return full_softmax(hidden, known, targets - FIRST_KNOWN_ID, self._settings.label_smoothing)
        drawn = self.negatives.draw(len(targets))
        if self.loss == "sampled_softmax" and drawn.dim() == 1:
            return sampled_linear_softmax(hidden, table, targets, drawn, self.negatives.log_q, self._settings.logq)
        rows = max(BLOCK // (drawn.shape[-1] if drawn.dim() == 1 else drawn.shape[-1] * table.shape[1]), 1)
        if len(targets) <= rows:
            return self._of_scores(hidden, table, targets, drawn)
        total = hidden.new_zeros(())
        for begin in range(0, len(targets), rows):
            block = slice(begin, begin + rows)
            own = drawn if drawn.dim() == 1 else drawn[block]
            mean: Tensor = checkpoint(
                self._of_scores,
                hidden[block],
                table,
                targets[block],
                own,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            total = total + mean * len(targets[block])
        return total / len(targets)

    def _of_scores(self, hidden: Tensor, table: Tensor, targets: Tensor, drawn: Tensor) -> Tensor:
        """Return the mean loss of positions whose scores [N, K] fit into memory."""
        positive = (hidden * table[targets]).sum(dim=1)
        scores = negative_scores(hidden, table, targets, drawn)
        if self.loss == "sampled_softmax":
            is_negative, log_q = drawn != targets[:, None], self.negatives.log_q
            return sampled_softmax(positive, scores, is_negative, log_q[targets], log_q[drawn], self._settings.logq)
        if self.loss == "gbce":
            return gbce(positive, scores, self.beta)
        return bpr_max(positive, scores, self._settings.score_penalty)
