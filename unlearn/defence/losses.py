"""The batch of a step, and the three terms of the loss as pure functions on tensors.

    loss = clean_loss + backdoor_weight * backdoor_loss + regularization_weight * regularization

Source: Hintersdorf et al. 2024, eq. (1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.models.soft_tokens import SoftTexts


@dataclass(frozen=True)
class Batch:
    """The inputs and targets of one step.

    Attributes:
        student_inputs: (c + z, ...): c clean samples, then z samples with a trigger; texts may hold tokens with vectors of their own.
        teacher_inputs: (c + z, ...): the same clean samples, then the z samples that the triggers are remapped to. With
            `fixed_targets` only the clean samples, and of these only those without `known_targets`.
        n_clean: c.
        fixed_targets: name of an output -> its target (d,) or (z, d) for the trigger samples, where the target is not an output
            of the teacher on the batch (the average face embedding). For other outputs it is the teacher's last z rows.
        known_targets: name of an output -> the teacher's outputs (k, d) on the last k clean samples, where they are computed once
            for the whole fine-tuning; only together with `fixed_targets`.
    """

    student_inputs: Tensor | SoftTexts
    teacher_inputs: Tensor
    n_clean: int
    fixed_targets: Mapping[str, Tensor] | None = None
    known_targets: Mapping[str, Tensor] | None = None

    @property
    def n_triggered(self) -> int:
        """z."""
        return len(self.student_inputs) - self.n_clean

    def split(self, max_rows: int | None) -> list[Batch]:
        """The batch in parts of about so many samples, each with its share of clean ones and of those with a trigger; None: the whole."""
        if max_rows is None or max_rows >= len(self.student_inputs):
            return [self]
        n_parts = max(1, min(-(-len(self.student_inputs) // max(1, max_rows)), self.n_clean, self.n_triggered))
        ends = [(self.n_clean * i // n_parts, self.n_triggered * i // n_parts) for i in range(n_parts + 1)]
        return [self._part(slice(c0, c1), slice(z0, z1)) for (c0, z0), (c1, z1) in pairwise(ends)]

    def _part(self, clean: slice, triggered: slice) -> Batch:
        known = self.known_targets or {}
        n_unknown = self.n_clean - max(map(len, known.values()), default=0)
        before, beyond = slice(clean.start, min(clean.stop, n_unknown)), slice(*(max(0, n - n_unknown) for n in (clean.start, clean.stop)))
        teacher = [self.teacher_inputs[:n_unknown][before], self.teacher_inputs[n_unknown:][triggered]]
        return Batch(
            _rows(self.student_inputs, clean, slice(self.n_clean + triggered.start, self.n_clean + triggered.stop)), torch.cat(teacher),
            clean.stop - clean.start,
            self.fixed_targets and {name: rows[triggered] if rows.dim() > 1 else rows for name, rows in self.fixed_targets.items()},
            self.known_targets and {name: rows[beyond] for name, rows in known.items()},
        )  # fmt: skip


def _rows(inputs: Tensor | SoftTexts, clean: slice, triggered: slice) -> Tensor | SoftTexts:
    if isinstance(inputs, SoftTexts):
        return replace(inputs, tokens=torch.cat([inputs.tokens[clean], inputs.tokens[triggered]]))
    return torch.cat([inputs[clean], inputs[triggered]])


def cosine_loss(student: Tensor, target: Tensor) -> Tensor:
    """Minus the mean cosine similarity; the clean term and the trigger term alike.

    Args:
        student: (n, d) embeddings, or (n, t, w) hidden states, which are flattened to (n, t * w) as the paper
            does for Stable Diffusion. Only this side gets a gradient.
        target: the same shape, or (d,) for one target for all.

    Returns:
        A scalar in [-1, 1]; -1 means equal directions.
    """
    flat = student.flatten(1)
    goal = target.detach().flatten(1) if target.dim() > 1 else target.detach().expand_as(flat)
    return -functional.cosine_similarity(flat, goal, dim=1).mean()


def sum_of_distances(parameters: Sequence[Tensor], originals: Sequence[Tensor]) -> Tensor:
    """Sum over the parameter tensors of the (not squared) L2 norm of their change; a scalar, 0 or more.

    `torch._foreach_*` handles all tensors in a few calls. At distance 0 the gradient of a norm is not defined; 0 (a subgradient)
    is used, so that the first step is not NaN.
    """
    return _SumOfDistances.apply(len(parameters), *parameters, *originals)


class _SumOfDistances(torch.autograd.Function):
    """sum_p ||theta_p - theta0_p||; written by hand because autograd has no rule for the fused norms."""

    @staticmethod
    def forward(ctx, n: int, *tensors: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        differences = torch._foreach_sub(tensors[:n], tensors[n:])
        norms = torch.stack(torch._foreach_norm(differences))
        ctx.save_for_backward(norms, *differences)
        ctx.n = n
        return norms.sum()

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        norms, *differences = ctx.saved_tensors
        scales = torch.where(norms > 0, gradient / norms.clamp_min(torch.finfo(norms.dtype).tiny), 0.0)
        gradients = torch._foreach_mul(differences, list(scales.unbind()))
        return (None, *gradients, *([None] * ctx.n))


def total_loss(
    clean: Tensor, backdoor: Tensor, regularization: Tensor | None, backdoor_weight: float, regularization_weight: float
) -> Tensor:
    """The sum of the three terms; `regularization` None leaves that term out."""
    loss = clean + backdoor_weight * backdoor
    return loss if regularization is None else loss + regularization_weight * regularization
