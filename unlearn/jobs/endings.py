"""How a job ended, as it is kept until the list of jobs can be written."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        progress, losses: what was told with the end, and is stored with it.
    """

    state: State
    finished: float
    run_s: float | None = None
    progress: Progress | None = None
    losses: tuple[tuple[int, dict[str, float]], ...] = ()

    def of(self, job: Job) -> Job:
        """The job, ended."""
        private = set(job.private_keys.split(",")) & set(job.request) if isinstance(self.state, Succeeded) else set()
        return replace(
            job, state=self.state, finished=self.finished, run_s=self.run_s, version=job.version + 1,
            request={key: value for key, value in job.request.items() if key not in private},
            has_lost_parts=job.has_lost_parts or bool(private),
        )  # fmt: skip

    def fill(self, row: JobRow) -> bool:
        """Put the end into the row of a job that waits or runs; whether something was taken out that nobody needs any more."""
        row.state, row.finished, row.run_s = type(self.state).__name__.lower(), self.finished, self.run_s
        row.version += 1
        if self.progress is not None:
            row.step, row.total, row.note = self.progress.step, self.progress.total, self.progress.note
        if isinstance(self.state, Succeeded):
            row.result, row.step = self.state.result, row.total
            return row.drop_private_parts()
        if isinstance(self.state, Failed):
            row.message, row.details = self.state.message, self.state.details
        return False
