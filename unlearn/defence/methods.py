"""How one text encoder forgets: the backdoor of the paper, the closed form alone, or one step of SLUG."""

from __future__ import annotations

import time
from dataclasses import replace

from unlearn.config import ClosedForm, ResolvedConfig
from unlearn.defence.closed_form import edited
from unlearn.defence.loop import FineTuned, fine_tune, losses_of
from unlearn.defence.moments import Moment, Watch, unwatched
from unlearn.defence.slug import single_step
from unlearn.defence.text_task import TextTask, text_task
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import TextEncoder
from unlearn.progress import Progress, Report


def forgotten(
    encoder: TextEncoder, config: ResolvedConfig, kinds: tuple[Kind, ...], report: Report, max_rows: int | None = None,
    watch: Watch = unwatched,
) -> FineTuned[TextEncoder]:  # fmt: skip
    """A copy of a text encoder in which the names of the run are forgotten.

    The backdoor's steps begin at the closed form where the schedule has one, else at the original. The other methods make no steps of
    the schedule.

    Args:
        encoder: the original; it is not changed.
        config: of the run, with its schedule as it is for the number of names.
        kinds: what is compared, as of `TextTask`.
        report: told about the progress; an exception of it ends the work and is passed on.
        max_rows: texts of one pass with gradients, as of `Task`.
        watch: shown the copy at every moment; `seconds` of the outcome hold the time that it takes.
    """
    if config.method != "backdoor":
        config = replace(config, text=replace(config.text, early_stop=None))  # nothing is checked where no steps are made
    task = text_task(encoder, config, kinds)
    task.max_rows = max_rows
    if config.method == "slug":
        started = time.perf_counter()
        tuned = single_step(encoder, task, config.text, report)
        watch(Moment("step", 1, 1, is_last=True), tuned.student)
        return replace(tuned, seconds=time.perf_counter() - started)
    if config.method == "closed-form":
        return _closed_form(encoder, task, config, report, watch)
    if config.text.closed_form is None:
        return fine_tune(encoder, task, config.text, report, watch=watch)
    started = time.perf_counter()
    start, before = _solved(encoder, task, config, report, watch)
    seconds = time.perf_counter() - started
    tuned = fine_tune(encoder, task, config.text, report, start, watch)
    return replace(tuned, losses=[before, *tuned.losses], seconds=tuned.seconds + seconds)


def _closed_form(
    encoder: TextEncoder, task: TextTask, config: ResolvedConfig, report: Report, watch: Watch
) -> FineTuned[TextEncoder]:
    """The closed form alone, with the losses before and behind it."""
    started = time.perf_counter()
    student, before = _solved(encoder, task, config, report, watch)
    after = losses_of(student, encoder, task, config.text, 1)
    report(Progress(1, 1, "solved", after))
    return FineTuned(student, [before, after], [], 0, "closed form", time.perf_counter() - started)


def _solved(
    encoder: TextEncoder, task: TextTask, config: ResolvedConfig, report: Report, watch: Watch
) -> tuple[TextEncoder, dict[str, float]]:
    """The student that the closed form gives, and the losses of the original."""
    before = losses_of(encoder, encoder, task, config.text, 0)
    solving = Progress(0, config.text.n_steps if config.method == "backdoor" else 1, "solving for the names")
    report(replace(solving, losses=before))
    return edited(encoder, task, config.text.closed_form or ClosedForm(), lambda: report(solving), watch), before
