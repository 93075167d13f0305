"""The batch of a step, and the three terms of the loss as pure functions on tensors.

    loss = clean_loss + backdoor_weight * backdoor_loss + regularization_weight * regularization

Source: Hintersdorf et al. 2024, eq. (1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
