"""One lane's thread: takes its queue's jobs in turn and drives the process that works on them; a queue may have several lanes.

The thread alone starts work and receives its messages; all other threads talk to the job store, or asks to cancel. Nothing that goes
wrong ends the thread: a job that was begun gets an end, which the store keeps until it can be written, and no other job
is begun before. A worker that may be in a bad state is ended, never given another job.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from unlearn.errors import UnlearnError
from unlearn.jobs.following import GRACE_S, JobFollower, Outcome, failure_of
from unlearn.jobs.health import LaneHealth, reason_of
from unlearn.jobs.roster import Roster
from unlearn.jobs.states import Cancelled, Failed, Job, Succeeded
from unlearn.jobs.tasks import Task
from unlearn.jobs.workers import AnyWorker

RETRY_S = 1.0
START_WITHIN_S = 60.0  # as long as this a worker that cannot be started is tried again, then a waiting job fails
NO_WORKER = "The process that does the work could not be started ({}). Run it again later, or tell whoever runs the server."
NO_RESULT = "The work ended without leaving its result ({} is missing). Run it again; if it fails again, report it."

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LaneSetup:
    """What a lane is told.

    Attributes:
        queue: whose jobs it takes.
        device: that its work runs on, as shown in the server's health.
        make_worker: starts a worker.
        task_of: what the worker is told of a job.
        on_success: called with every job whose work has succeeded.
        max_run_s: a job that runs longer is ended and has failed; None: no job does.
    """

    queue: str
    device: str
    make_worker: Callable[[], AnyWorker]
    task_of: Callable[[Job], Task]
    on_success: Callable[[Job], None]
    max_run_s: float | None = None


class Lane(threading.Thread):
    """Takes the jobs of a queue in turn and drives a worker process."""

    def __init__(self, name: str, roster: Roster, setup: LaneSetup) -> None:
        """Make a lane that is not started yet, and enter it into the roster, which knows the jobs."""
        super().__init__(name=f"jobs-{name}", daemon=True)
        self.lane, self.queue, self._device = name, setup.queue, setup.device
        self._roster, self._store = roster, roster.store
        self._make_worker, self._task_of = setup.make_worker, setup.task_of
        self._on_success, self._max_run_s = setup.on_success, setup.max_run_s
        self._news, self._stopping, self._wanted = threading.Event(), threading.Event(), threading.Event()
        self._worker: AnyWorker | None = None
        self._guard = threading.Lock()  # of the next one, which other threads ask for
        self._at_work: tuple[str, AnyWorker] | None = None
        self._trouble, self._trouble_since, self._trouble_began = "", 0.0, 0.0
        roster.enter(name, setup.queue, self.health)

    def wake(self) -> None:
        """Look at the queue now."""
        self._news.set()

    def prepare(self) -> None:
        """Start the worker and its warm-up although there is no job yet."""
        self._wanted.set()
        self._news.set()

    def begin_to_stop(self) -> None:
        """Take no further job, and let go of the one at work."""
        self._stopping.set()
        self._news.set()

    def stop(self) -> None:
        """End the worker and the thread."""
        self.begin_to_stop()
        if self.is_alive():
            self.join(5.0)
        self._end_worker()

    def cancel(self, job_id: str) -> None:
        """Stop the job if this lane works on it now: ask at once, kill its process soon, whatever this thread waits for."""
        with self._guard:
            if self._at_work is None or self._at_work[0] != job_id:
                return
            self._at_work[1].ask_to_cancel(job_id)
        killer = threading.Timer(GRACE_S, self._kill, (job_id,))
        killer.daemon = True
        killer.start()

    def _kill(self, job_id: str) -> None:
        with self._guard:
            if self._at_work is not None and self._at_work[0] == job_id:
                self._at_work[1].kill()

    def health(self) -> LaneHealth:
        """Whether the lane works, and what hinders it."""
        worker, trouble = self._worker, self._trouble
        since = self._trouble_since if trouble else None
        has_worker = worker is not None and worker.alive
        is_busy = self._at_work is not None
        return LaneHealth(self.lane, self.queue, self._device, self.is_alive(), has_worker, is_busy, trouble, since)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception as error:  # nothing may end the thread: its jobs would wait for ever
                self._stumble(error)
                self._stopping.wait(RETRY_S)

    def _stumble(self, error: Exception) -> None:
        if self._stopping.is_set():
            return
        reason = str(error) if isinstance(error, UnlearnError) else reason_of(error)
        if reason != self._trouble:  # logged once, not once a second
            log.error("lane %s: %s", self.lane, reason)
            if not isinstance(error, UnlearnError | OSError):  # a defect: only places are logged, no values
                log.error("".join(traceback.format_tb(error.__traceback__)))
        if not self._trouble:
            self._trouble_since, self._trouble_began = time.time(), time.monotonic()
        self._trouble = reason
        self._roster.release(self.lane)
        self._replace_worker()

    def _turn(self) -> None:
        """Work on one job if one waits; unwritten ends of earlier jobs come first."""
        self._store.write_endings()
        self._roster.fail_lost(self.lane)
        job = self._roster.claim(self.lane) if self._has_worker() else None
        if job is None:
            self._idle()
        else:
            self._trouble = ""
            self._work_on(job)

    def _has_worker(self) -> bool:
        """Whether a worker is there for the next job; one is started where it is wanted, or where more jobs wait than others take."""
        if self._wanted.is_set():
            self._start_worker()
        elif self._worker is None or not self._worker.alive:
            with self._roster.starting(self.lane) as is_needed:
                if is_needed:
                    self._start_worker()
            return is_needed
        return True

    def _start_worker(self) -> None:
        try:
            self._ready_worker()
        except Exception as error:
            is_over = bool(self._trouble) and time.monotonic() - self._trouble_began >= START_WITHIN_S
            if is_over and self._roster.is_last(self.lane) and (job := self._roster.claim(self.lane)) is not None:
                self._finish(job, Outcome(Failed(NO_WORKER.format(reason_of(error)))))
            raise  # tried again soon
        self._wanted.clear()

    def _idle(self) -> None:
        self._trouble = ""
        self._news.wait(1.0)
        self._news.clear()

    def _ready_worker(self) -> AnyWorker:
        if self._worker is None or not self._worker.alive:
            self._end_worker()
            self._worker = self._make_worker()
        return self._worker

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _replace_worker(self) -> None:
        """End the worker, which frees all its memory, and start another one ahead of the next job."""
        if self._worker is not None:
            self._wanted.set()
            self._end_worker()

    def _work_on(self, job: Job) -> None:
        try:
            outcome = self._outcome(job)
        finally:
            with self._guard:
                self._at_work = None
        if outcome is None:
            return  # stopping: the job stays "running" in the list, is this lane's still, and is found interrupted at the next start
        if outcome.is_spent:
            self._replace_worker()
        state, folder = outcome.state, self._task_of(job).folder
        if isinstance(state, Succeeded) and job.must_leave is not None and not (folder / job.must_leave).is_file():
            state = Failed(NO_RESULT.format(job.must_leave))
        if isinstance(state, Succeeded):
            self._on_success(job)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        self._finish(job, Outcome(state, outcome.progress, outcome.losses))

    def _finish(self, job: Job, outcome: Outcome) -> None:
        try:
            self._store.finish(job.id, outcome.state, outcome.progress, outcome.losses)
        finally:
            self._roster.release(self.lane)

    def _hand_over(self, job: Job) -> AnyWorker:
        """Give the job to the worker, to a new one if the old one ended while it had nothing to do."""
        task, worker = self._task_of(job), self._ready_worker()
        try:
            worker.start(task)
        except OSError:
            self._end_worker()
            worker = self._ready_worker()
            worker.start(task)
        with self._guard:
            self._at_work = job.id, worker
        return worker

    def _outcome(self, job: Job) -> Outcome | None:
        """The end of a job, whatever happens; None when the server stops."""
        follower = JobFollower(job, self._store, self._stopping, self._max_run_s)
        try:
            return follower.follow(self._hand_over(job))
        except Exception as error:  # whatever it is, the job gets an end
            worker = self._worker
            if worker is not None:
                worker.end()  # one that ended by itself keeps its own exit code
            if self._stopping.is_set():
                return None
            if follower.is_unwanted():
                return Outcome(Cancelled(follower.step))
            if not isinstance(error, EOFError | OSError):
                log.error("lane %s gave up a job: %s", self.lane, error if isinstance(error, UnlearnError) else reason_of(error))
            return Outcome(failure_of(error, worker.exit_code if worker is not None else None))
