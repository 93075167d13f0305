"""How a job ended, as it is kept until the list of jobs can be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unlearn.jobs.states import Failed, Job, State, Succeeded
from unlearn.jobs.tables import JobRow
from unlearn.progress import Progress


@dataclass(frozen=True)
class Ending:
    """An end that may not be written yet.

    Attributes:
        state: that it ended in.
        finished: when, in seconds since the epoch.
        run_s: how long it ran; None: it never did.
        progress, losses: what the worker sent with the end, stored with it.
    """

    state: State
    finished: float
    run_s: float | None = None
    progress: Progress | None = None
    losses: tuple[dict[str, Any], ...] = ()

    def of(self, job: Job) -> Job:
        """The job, ended."""
        return replace(job, state=self.state, finished=self.finished, run_s=self.run_s, version=job.version + 1)

    def fill(self, row: JobRow) -> None:
        """Put the end into the row of a job that waits or runs."""
        row.state, row.finished, row.run_s = type(self.state).__name__.lower(), self.finished, self.run_s
        row.version += 1
        if self.progress is not None:
            row.step, row.total, row.note = self.progress.step, self.progress.total, self.progress.note
        if isinstance(self.state, Succeeded):
            row.result, row.step = self.state.result, row.total
        elif isinstance(self.state, Failed):
            row.message, row.details = self.state.message, self.state.details
