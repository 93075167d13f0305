"""The student-teacher loop: one for every encoder, text or image, and for one loss or several at once.

The loop uses encoders through their protocol and gets its batches from a `Task` (`text_task` for names, `image_task` for faces).
The teacher is never changed. Equal task, config and device give bit-equal students on the CPU (with the same number of threads).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from unlearn.config import EarlyStop, FineTuneConfig
from unlearn.defence.figures import ChosenLayer
from unlearn.defence.losses import Batch, cosine_loss, sum_of_distances, total_loss
from unlearn.defence.students import student_of, trainable_parameters
from unlearn.models.encoders import Encoder
from unlearn.progress import Progress, Report, no_report

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)
EncoderIn = TypeVar("EncoderIn", bound=Encoder, contravariant=True)
Stopped = Literal["all steps", "early stop", "closed form", "binary search"]


class Task(Protocol[EncoderIn]):
    """What is to be learned: the batches, the outputs that are compared, and the check of the early stop.

    Attributes:
        weights: name of an output -> weight of its clean and trigger losses. The losses of "pooled" are reported as `clean` and
            `backdoor`, those of any other output with its name in front.
    """

    weights: Mapping[str, float]

    def batch(self, step: int) -> Batch:
        """The batch of step `step` (0-based), a function of the step alone."""

    def outputs(self, encoder: EncoderIn, inputs: Any) -> dict[str, Tensor]:
        """The outputs named in `weights`, each (n, d) or (n, t, w), for student or teacher inputs of a batch."""

    def margin(self, student: EncoderIn, stop: EarlyStop) -> float:
        """By how much the worst trigger exceeds the threshold of `stop`, on samples not trained on; 0 or more is a pass."""


@dataclass(frozen=True)
class FineTuned(Generic[AnyEncoder]):
    """The outcome.

    Attributes:
        student: in eval mode, no gradients, on the teacher's device.
        losses: a row for each step: step (1-based), total, clean, backdoor, hidden_clean..., regularization. Where the steps began
            at a closed form, the row of step 0 is the original's. Without steps: that row, and one of step 1 for the edited encoder.
        checks: a row for each early-stop check: step, margin.
        n_steps_done: number of steps made.
        stopped: why the loop ended.
        seconds: wall time of the loop.
        layer: that one step of SLUG has changed; None: another method.
    """

    student: AnyEncoder
    losses: list[dict[str, float]]
    checks: list[dict[str, float]]
    n_steps_done: int
    stopped: Stopped
    seconds: float
    layer: ChosenLayer | None = None


@dataclass
class FineTuning(Generic[AnyEncoder]):
    """A fine-tuning in progress; `fine_tune` runs all steps, a test or a bench can run single ones."""

    teacher: AnyEncoder
    student: AnyEncoder
    task: Task[AnyEncoder]
    config: FineTuneConfig
    trained: list[nn.Parameter] = field(init=False)
    originals: list[Tensor] = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    schedule: torch.optim.lr_scheduler.LRScheduler = field(init=False)
    n_passed: int = 0  # early-stop checks passed in a row

    def __post_init__(self) -> None:
        self.trained = trainable_parameters(self.student, self.config)
        self.originals = [parameter.detach().clone() for parameter in self.trained]
        rate = self.config.learning_rate
        fused = self.student.device.type in ("cpu", "cuda") or None
        self.optimizer = torch.optim.AdamW(self.trained, lr=rate, weight_decay=0.0, fused=fused)
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(
            self.optimizer, list(self.config.lr_milestones), self.config.lr_gamma
        )

    def step(self, number: int) -> dict[str, float]:
        """Make step `number` (0-based) and return the row of its losses."""
        row = self.update(number)
        values = torch.stack(list(row.values())).tolist()  # one transfer
        return {"step": number + 1, **dict(zip(row, values, strict=True))}

    def update(self, number: int) -> dict[str, Tensor]:
        """The same with the losses left on their device, which may be `meta`."""
        batch = self.task.batch(number)
        targets = targets_of(self.task, self.teacher, batch)
        outputs = self.task.outputs(self.student, batch.student_inputs)
        row, clean, backdoor = terms(outputs, targets, batch, self.task.weights)
        beta = self.config.regularization_weight
        distance = sum_of_distances(self.trained, self.originals) if beta > 0 else None
        loss = total_loss(clean, backdoor, distance, self.config.backdoor_weight, beta)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        row["total"] = loss
        if distance is not None:
            row["regularization"] = distance
        return {name: value.detach().float() for name, value in row.items()}

    def check(self, n_done: int) -> float | None:
        """Check if a check is due after this many steps, and count the passes; the margin, or None without a check."""
        stop = self.config.early_stop
        if stop is None or n_done < stop.min_steps or n_done % stop.every:
            return None
        with torch.no_grad():
            margin = self.task.margin(self.student, stop)
        self.n_passed = self.n_passed + 1 if margin >= 0 else 0
        return margin

    @property
    def is_done(self) -> bool:
        stop = self.config.early_stop
        return stop is not None and self.n_passed >= stop.patience


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


@torch.no_grad()
def losses_of(student: AnyEncoder, teacher: AnyEncoder, task: Task[AnyEncoder], config: FineTuneConfig, step: int) -> dict[str, float]:
    """The row of losses on the batch of the first step, for an encoder that no step has changed: the original, or an edited one."""
    batch = task.batch(0)
    row, clean, backdoor = terms(task.outputs(student, batch.student_inputs), targets_of(task, teacher, batch), batch, task.weights)
    distance = None
    if config.regularization_weight > 0:
        row["regularization"] = distance = sum_of_distances([*student.parameters()], [*teacher.parameters()])
    row["total"] = total_loss(clean, backdoor, distance, config.backdoor_weight, config.regularization_weight)
    return {"step": step, **{name: float(value) for name, value in row.items()}}


def fine_tune(
    teacher: AnyEncoder,
    task: Task[AnyEncoder],
    config: FineTuneConfig,
    report: Report = no_report,
    start: AnyEncoder | None = None,
) -> FineTuned[AnyEncoder]:
    """Fine-tune a copy of the teacher until all steps are done or the early stop is satisfied.

    Args:
        teacher: the original encoder; neither its weights nor its modes are changed.
        task: batches, outputs and the check.
        config: schedule and weights of the losses.
        report: called after every step; an exception of it (JobCancelled) ends the loop and is passed on.
        start: the student that the steps begin with, which is changed; None: a copy of the teacher.

    Raises:
        ConfigError: nothing to train.

    Source: Hintersdorf et al. 2024, section 3 and appendix A.2.
    """
    started = time.perf_counter()
    loop = FineTuning(teacher, student_of(teacher) if start is None else start, task, config)
    losses: list[dict[str, float]] = []
    checks: list[dict[str, float]] = []
    while len(losses) < config.n_steps and not loop.is_done:
        losses.append(loop.step(len(losses)))
        n_done = len(losses)
        margin = loop.check(n_done)
        if margin is not None:
            checks.append({"step": n_done, "margin": margin})
        report(Progress(n_done, config.n_steps, "fine-tuning", losses[-1]))
    cast(nn.Module, loop.student).requires_grad_(False)
    stopped: Stopped = "early stop" if loop.is_done else "all steps"
    seconds = time.perf_counter() - started
    return FineTuned(loop.student, losses, checks, len(losses), stopped, seconds)
