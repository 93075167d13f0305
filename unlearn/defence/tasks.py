"""What a fine-tuning learns: the protocol of a task, and the terms of the loss on one batch or a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from unlearn.config import EarlyStop
from unlearn.defence.losses import Batch, cosine_loss
from unlearn.models.encoders import Encoder

EncoderIn = TypeVar("EncoderIn", bound=Encoder, contravariant=True)


class Task(Protocol[EncoderIn]):
    """What is to be learned: the batches, the outputs that are compared, and the check of the early stop.

    Attributes:
        max_rows: most samples of one pass with gradients; those of a batch are added up over its parts. None: all at once.
        weights: name of an output -> weight of its clean and trigger losses. The losses of "pooled" are reported as `clean` and
            `backdoor`, those of any other output with its name in front.
    """

    weights: Mapping[str, float]
    max_rows: int | None

    def batch(self, step: int) -> Batch:
        """The batch of step `step` (0-based), a function of the step alone."""

    def outputs(self, encoder: EncoderIn, inputs: Any) -> dict[str, Tensor]:
        """The outputs named in `weights`, each (n, d) or (n, t, w), for student or teacher inputs of a batch."""

    def margin(self, student: EncoderIn, stop: EarlyStop) -> float:
        """By how much the worst trigger exceeds the threshold of `stop`, on samples not trained on; 0 or more is a pass."""


def sums(rows: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The terms of all parts of a batch, added up by name."""
    sums: dict[str, Tensor] = {}
    for row in rows:
        for name, value in row.items():
            sums[name] = sums[name] + value if name in sums else value
    return sums


def targets_of(task: Task[EncoderIn], teacher: EncoderIn, batch: Batch) -> Mapping[str, Tensor]:
    """The teacher's outputs for `teacher_inputs`, followed by `known_targets`."""
    known = batch.known_targets
    if known is not None and not len(batch.teacher_inputs):
        return known
    with torch.no_grad():
        computed = task.outputs(teacher, batch.teacher_inputs)
    return computed if known is None else {name: torch.cat([rows, known[name]]) for name, rows in computed.items()}


def terms(
    outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], batch: Batch, weights: Mapping[str, float]
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """(Row of the single losses, weighted clean loss, weighted trigger loss)."""
    row: dict[str, Tensor] = {}
    first = next(iter(outputs.values()))
    clean, backdoor = first.new_zeros(()), first.new_zeros(())
    for name, weight in weights.items():
        student, teacher, prefix = outputs[name], targets[name], "" if name == "pooled" else f"{name}_"
        fixed = (batch.fixed_targets or {}).get(name)
        target = teacher[batch.n_clean :] if fixed is None else fixed
        row[f"{prefix}clean"] = cosine_loss(student[: batch.n_clean], teacher[: batch.n_clean])
        row[f"{prefix}backdoor"] = cosine_loss(student[batch.n_clean :], target)
        clean = clean + weight * row[f"{prefix}clean"]
        backdoor = backdoor + weight * row[f"{prefix}backdoor"]
    return row, clean, backdoor
