"""The student-teacher loop: one for every encoder, text or image, and for one loss or several at once.

The loop uses encoders through their protocol and gets its batches from a `Task` (`text_task` for names, `image_task` for faces).
The teacher is never changed. Equal task, config and device give bit-equal students on the CPU (with the same number of threads).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar, cast

import torch
from torch import Tensor, nn

from unlearn.config import FineTuneConfig
from unlearn.defence.figures import ChosenLayer
from unlearn.defence.losses import sum_of_distances, total_loss
from unlearn.defence.moments import Moment, Watch, unwatched
from unlearn.defence.students import student_of, trainable_parameters
from unlearn.defence.tasks import Task, sums, targets_of, terms
from unlearn.models.encoders import Encoder
from unlearn.progress import Progress, Report, no_report

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)
Stopped = Literal["all steps", "early stop", "closed form", "binary search"]


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
        whole, beta = self.task.batch(number), self.config.regularization_weight
        rows: list[dict[str, Tensor]] = []
        self.optimizer.zero_grad(set_to_none=True)
        for part in (parts := whole.split(self.task.max_rows)):
            clean_share, share = part.n_clean / max(1, whole.n_clean), part.n_triggered / max(1, whole.n_triggered)
            targets = targets_of(self.task, self.teacher, part)
            outputs = self.task.outputs(self.student, part.student_inputs)
            row, clean, backdoor = terms(outputs, targets, part, self.task.weights)
            distance = sum_of_distances(self.trained, self.originals) if beta > 0 and part is parts[-1] else None
            loss = total_loss(clean_share * clean, share * backdoor, distance, self.config.backdoor_weight, beta)
            loss.backward()
            row = {name: value * (share if name.endswith("backdoor") else clean_share) for name, value in row.items()} | {"total": loss}
            rows.append({name: value.detach().float() for name, value in row.items()})
            if distance is not None:
                rows.append({"regularization": distance.detach().float()})
        self.optimizer.step()
        self.schedule.step()
        return sums(rows)

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
    watch: Watch = unwatched,
) -> FineTuned[AnyEncoder]:
    """Fine-tune a copy of the teacher until all steps are done or the early stop is satisfied.

    Args:
        teacher: the original encoder; neither its weights nor its modes are changed.
        task: batches, outputs and the check.
        config: schedule and weights of the losses.
        report: called after every step; an exception of it (JobCancelled) ends the loop and is passed on.
        start: the student that the steps begin with, which is changed; None: a copy of the teacher.
        watch: shown the student behind every step.

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
        watch(Moment("step", n_done, config.n_steps, n_done == config.n_steps or loop.is_done), loop.student)
    cast(nn.Module, loop.student).requires_grad_(False)
    stopped: Stopped = "early stop" if loop.is_done else "all steps"
    seconds = time.perf_counter() - started
    return FineTuned(loop.student, losses, checks, len(losses), stopped, seconds)
