"""One job at work: stores what its worker sends, and turns every way to end into an outcome."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from unlearn.errors import UnlearnError
from unlearn.jobs.health import reason_of
from unlearn.jobs.states import Cancelled, Failed, Job, State
from unlearn.jobs.store import JobStore
from unlearn.jobs.workers import AnyWorker
from unlearn.progress import Progress

KILL_CODES = (-9, 137)
GRACE_S = 0.7  # after asking work to stop, before its process is killed; a cancel must take effect within 2 s
POLL_S = 0.1
NEVER = float("inf")
CRASHED = (
    "The process that did the work ended unexpectedly (exit code {}). Run it again; if it fails again, report it, "
    "or try fewer portraits or a smaller batch."
)
KILLED = (
    "The process that did the work was killed by the system (exit code {}), which happens when the memory of the machine does not "
    "suffice. Ask for fewer portraits or persons at once, or a smaller batch, or use a machine with more memory."
)
UNWRITTEN = "This was stopped, because the server could not write its list of jobs. Run it again."
BROKEN = "The server lost hold of this work ({}). Run it again; if it fails again, report it."
TOO_LONG = (
    "This was stopped after {}, the longest that this server lets a job run. Ask for fewer steps, persons or portraits; "
    "whoever runs the server can raise --max-job-minutes."
)


@dataclass(frozen=True)
class Outcome:
    """How a job ended, what its worker sent with the end, and whether its process must not be given another job."""

    state: State
    progress: Progress | None = None
    losses: tuple[dict[str, Any], ...] = ()
    is_spent: bool = True


class JobFollower:
    """Stores what the worker of one job sends; `step` is the latest one."""

    def __init__(self, job: Job, store: JobStore, stopping: threading.Event, max_run_s: float | None) -> None:
        self.step = 0
        self._job, self._store, self._stopping, self._max_run_s = job, store, stopping, max_run_s

    def follow(self, worker: AnyWorker) -> Outcome | None:
        """The end of the job; None when the server stops.

        Raises:
            EOFError, OSError: the process has ended.
            UnlearnError: the list of jobs cannot be read or written.
        """
        kill_at = NEVER
        over_at = NEVER if self._max_run_s is None else time.monotonic() + self._max_run_s
        while not self._stopping.is_set():
            message = worker.receive(POLL_S)
            if message is None and not worker.alive and (message := worker.receive(0.0)) is None:
                raise EOFError  # a process that it started itself may hold the pipe open
            if message is not None and message.job == self._job.id:
                progress = replace(message.progress, losses=None)
                self.step = progress.step
                if message.end is not None:
                    is_spent = message.is_spent or isinstance(message.end, Cancelled)
                    return Outcome(message.end, progress, message.losses, is_spent)
                self._store.progress(self._job.id, progress, message.losses)
            if kill_at == NEVER and self._store.cancel_requested(self._job.id):
                worker.ask_to_cancel(self._job.id)
                kill_at = time.monotonic() + GRACE_S
            if time.monotonic() > kill_at:
                return Outcome(Cancelled(self.step))
            if time.monotonic() > over_at and kill_at == NEVER:
                return Outcome(Failed(TOO_LONG.format(_minutes(self._max_run_s or 0.0))))
        return None

    def is_unwanted(self) -> bool:
        """Whether somebody asked the job to stop, as far as that can be read."""
        try:
            return self._store.cancel_requested(self._job.id)
        except UnlearnError:
            return False


def failure_of(error: Exception, exit_code: int | None) -> Failed:
    """What a job failed with: its process is gone, the list of jobs cannot be written, or the program has a defect."""
    if isinstance(error, EOFError | OSError):
        return Failed((KILLED if exit_code in KILL_CODES else CRASHED).format("unknown" if exit_code is None else exit_code))
    return Failed(UNWRITTEN if isinstance(error, UnlearnError) else BROKEN.format(reason_of(error)))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
