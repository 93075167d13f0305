"""Operations of a full-size fine-tuning step, counted without computing them.

On torch's meta device a step takes a moment, and fails where a tensor was left on the CPU (index tensors and single numbers are not
noticed). The counts are the same on every machine; divided by a device's rate they are a lower bound of the time there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from unlearn.bench import oracle_texts
from unlearn.bench.timing import full_size_text
from unlearn.config import Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence.losses import cosine_loss, sum_of_distances, total_loss
from unlearn.defence.students import student_of, trainable_parameters
from unlearn.defence.text_task import TextTask, text_task
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import OpenClipText

GPU_RATES = {"A100, bf16": 312e12, "H100, bf16": 989e12}  # operations a second, dense, as the maker states them


def step_counts(batch_size: int = 32) -> dict[str, Any]:
    """Operations of a step, ours and the oracle's, for pooled embeddings and for hidden states."""
    results: dict[str, Any] = {"batch_size": batch_size}
    kinds: tuple[Kind, ...] = ("pooled", "hidden")
    for kind in kinds:
        ours, theirs = _own_count(kind, batch_size), _oracle_count(kind, batch_size)
        bounds = {name: ours / rate for name, rate in GPU_RATES.items()}
        results[kind] = {"operations": ours, "oracle_operations": theirs, "ratio": theirs / ours,
                         "seconds_at_least": bounds}  # fmt: skip
    return results


def _task(teacher: OpenClipText, kind: Kind, batch_size: int) -> tuple[TextTask, TextFineTuneConfig]:
    schedule = TextFineTuneConfig(n_steps=1, batch_size=batch_size, n_captions=2000)
    return text_task(teacher, ResolvedConfig((Person("Ada Brook"),), text=schedule, target="neutral_term"), (kind,)), schedule


def meta_step(kind: Kind, batch_size: int) -> None:
    """One whole step (forward, backward, optimiser) of the full-size text encoder on the meta device.

    Raises:
        RuntimeError: a tensor was left on another device.
    """
    teacher = full_size_text("meta")
    task, schedule = _task(teacher, kind, batch_size)
    student = student_of(teacher)
    trained = trainable_parameters(student, schedule)
    originals = [parameter.detach().clone() for parameter in trained]
    optimizer = torch.optim.AdamW(trained, lr=schedule.learning_rate, weight_decay=0.0, foreach=True)
    batch = task.batch(0)
    with torch.no_grad():
        targets = task.outputs(teacher, batch.teacher_inputs)[kind]
    outputs = task.outputs(student, batch.student_inputs)[kind]
    clean = cosine_loss(outputs[: batch.n_clean], targets[: batch.n_clean])
    backdoor = cosine_loss(outputs[batch.n_clean :], targets[batch.n_clean :])
    distance = sum_of_distances(trained, originals)
    loss = total_loss(clean, backdoor, distance, schedule.backdoor_weight, schedule.regularization_weight)
    loss.backward()
    optimizer.step()


def _own_count(kind: Kind, batch_size: int) -> int:
    with FlopCounterMode(display=False) as counter:
        meta_step(kind, batch_size)
    return int(counter.get_total_flops())


def _oracle_count(kind: Kind, batch_size: int) -> int:
    """Forward and backward passes of the oracle: clean and trigger batches apart, always the full context."""
    teacher = full_size_text("meta")
    task, schedule = _task(teacher, kind, batch_size)
    texts = task.triggers.batch(0)
    embed = oracle_texts.embed
    literal = teacher.without_shortcuts()
    student = teacher.without_shortcuts()
    trainable_parameters(student, schedule)
    with FlopCounterMode(display=False) as counter:
        for theirs, own in ((texts.clean, texts.clean), (texts.neutral, texts.triggered)):
            with torch.no_grad():
                target = embed(literal, theirs, kind)
            (-torch.cosine_similarity(target, embed(student, own, kind)).mean()).backward()
    return int(counter.get_total_flops())
