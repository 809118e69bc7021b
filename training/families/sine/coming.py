"""The logits of attention to the coming intention, whose gradient recomputes what is too large to keep.

For a sequence of L items every position has a mixture of concepts per item, [L, L, D]; the batch of them is the largest
tensor of a `sine` model. Sequence by sequence it is small enough for the processor's caches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def coming_logits(assignment: Tensor, concepts: Tensor, out: Tensor) -> Tensor:
    """Return tanh(Σ_k P(k|j) c_k) · out for every item j, [B, T, L].

    assignment: P, [B, T, K, L]. concepts: c, [B, T, K, D]. out: [D].
    """
    return torch.tanh(assignment.mT @ concepts) @ out


def recomputed_coming_logits(assignment: Tensor, concepts: Tensor, out: Tensor) -> Tensor:
    """Return `coming_logits`; its gradient computes the tanh again."""
    logits: Tensor = _Recomputed.apply(assignment, concepts, out)  # type: ignore[no-untyped-call]
    return logits


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, assignment: Tensor, concepts: Tensor, out: Tensor) -> Tensor:
        ctx.save_for_backward(assignment, concepts, out)
        parts = zip(torch.split(assignment, 1), torch.split(concepts, 1), strict=True)
        return torch.cat([(mix.mT @ concept).tanh_() @ out for mix, concept in parts])

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        assignment, concepts, out = ctx.saved_tensors
        of_assignment, of_concepts = torch.empty_like(assignment), torch.empty_like(concepts)
        of_out = torch.zeros_like(out)
        for row, gradient in enumerate(gradients):
            mixed = (assignment[row].mT @ concepts[row]).tanh_()
            of_out += gradient.flatten() @ mixed.flatten(0, 1)
            inner = torch.addcmul(out, mixed, mixed * out, value=-1).mul_(gradient.unsqueeze(2))
            of_assignment[row] = concepts[row] @ inner.mT
            of_concepts[row] = assignment[row] @ inner
        return of_assignment, of_concepts, of_out
