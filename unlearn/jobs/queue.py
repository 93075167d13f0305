"""Background jobs: submit, watch, cancel, run again, delete.

State lives in SQLite (`jobs.store`), work runs in one process a lane (`jobs.worker`), and a thread a lane moves jobs
between the two. A queue has a lane for each device. A job outlives the page that started it; a queued one outlives the server, too.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs.data_folder import PHOTOS_GONE, DataFolder
from unlearn.jobs.database import BUSY_TIMEOUT_S
from unlearn.jobs.following import GRACE_S
from unlearn.jobs.health import Health, reason_of
from unlearn.jobs.lane import Lane, LaneSetup
from unlearn.jobs.retention import Retention
from unlearn.jobs.roster import Roster
from unlearn.jobs.setup import JobLimits, WorkerSetup
from unlearn.jobs.states import Deleted, Job, Submission
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import JobRow, new_row
from unlearn.jobs.tasks import Task
from unlearn.jobs.worker import WarmUp, Worker
from unlearn.jobs.workers import AnyWorker, WorkerPlan
from unlearn.jobs.zero_worker import ZeroWorker

POLL_S = 0.1
EXPIRE_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Jobs:
    """The jobs of one data folder. Make one a server; `start` it, and `stop` it at the end."""

    def __init__(
        self, data_dir: Path, queues: Sequence[str], limits: JobLimits, workers: WorkerSetup | None = None, *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:  # fmt: skip
        """Open (or make) the folder's list of jobs.

        Args:
            data_dir: holds `jobs.sqlite` and a folder `runs/<job id>` a job.
            queues: their names; each has a lane with a worker process for each device of `workers`; only the first lane's is
                started at once.
            limits: see `JobLimits`.
            workers: see `WorkerSetup`; None: processes of our own without settings.
            busy_timeout_s: how long a change waits while another program locks the list of jobs.

        Raises:
            ConfigError: another server uses the folder, or it cannot be written.
        """
        self.limits, self._workers, self._queues = limits, workers or WorkerSetup(), tuple(queues)
        self._files = DataFolder(data_dir)
        self.runs_dir, self.inputs_dir = self._files.runs_dir, self._files.inputs_dir
        try:
            self.store = JobStore(data_dir / "jobs.sqlite", busy_timeout_s)
        except UnlearnError:
            self._files.release()
            raise
        self.retention = Retention(self.store, self.runs_dir, self.inputs_dir, limits.retention_s)
        roster, self._lanes = Roster(self.store, is_shared=self._workers.remote is None), dict[str, Lane]()
        for queue in queues:
            for number, device in enumerate(self._workers.devices or (None,), start=1):
                name = queue if number == 1 else f"{queue}-{number}"
                self._lanes[name] = Lane(name, roster, self._lane_setup(queue, name, device))
        self._stopped = threading.Event()

    def _lane_setup(self, queue: str, name: str, device: str | None) -> LaneSetup:
        is_quick, settings = queue != self._queues[0], self._workers.settings_on(device)
        max_run_s = self.limits.max_quick_run_s if is_quick else self.limits.max_run_s
        warm_up = None if self._workers.warm_up is None else WarmUp(self._workers.warm_up, settings)
        plan = WorkerPlan(f"unlearn-{name}", is_quick, self.limits.niceness, warm_up)
        make_worker, task_of = partial(self._new_worker, plan), partial(self._task, device=device)
        return LaneSetup(queue, str(settings.get("device", "")), make_worker, task_of, self.retention.job_ended, max_run_s)

    def _new_worker(self, plan: WorkerPlan) -> AnyWorker:
        if self._workers.remote is not None:
            return self._workers.remote(plan)
        make_process = partial(Worker, plan.name, plan.niceness, plan.warm_up)
        return make_process() if self._workers.zero is None else ZeroWorker(self._workers.zero, make_process)

    def _task(self, job: Job | JobRow, device: str | None = None) -> Task:
        return Task(job.id, job.work, job.request, self.folder(job.id), self._workers.settings_on(device))

    def start(self) -> None:
        """Mark what a stopped server left running as interrupted, then go on with what was queued."""
        for job_id in self.store.interrupt_running():
            shutil.rmtree(self.folder(job_id), ignore_errors=True)  # half-written; a run without a manifest does not exist
        self.store.end_in_the_past()
        for inputs in self.inputs_dir.iterdir():
            if not self.store.find(job_id=inputs.name):  # for a job that was never queued
                shutil.rmtree(inputs, ignore_errors=True)
        for lane in self._lanes.values():
            lane.start()
        next(iter(self._lanes.values())).prepare()
        threading.Thread(target=self._expire_forever, name="jobs-retention", daemon=True).start()

    def stop(self) -> None:
        """End the workers; a job that runs now is marked interrupted at the next start."""
        self._stopped.set()
        for lane in self._lanes.values():
            lane.begin_to_stop()
        for lane in self._lanes.values():
            lane.stop()
        try:
            self.store.write_endings()
        except UnlearnError as error:
            log.error("the end of some jobs could not be written: %s", error)
        self.store.close()
        self._files.release()

    def folder(self, job_id: str) -> Path:
        """Where the job's files are."""
        return self.runs_dir / job_id

    def new_inputs(self, like: str | None = None) -> Path:
        """A new folder for files to hand to `submit`: empty, or with copies of what an earlier job was given.

        Raises:
            InputError: what the earlier job was given has been deleted.
        """
        if like is None or self._files.has_inputs(like):
            return self._files.new_inputs(like)
        if self.get(like).had_inputs:
            raise InputError(PHOTOS_GONE)
        return self._files.new_inputs()

    def submit(self, submission: Submission, inputs: Path | None = None) -> Job:
        """Queue a piece of work.

        Args:
            submission: what is to be done, and for whom.
            inputs: folder of `new_inputs` with the files that the work reads (`inputs_of`); the job's from now on. An empty one counts
                as none: a job without files loses none, and can be run again at any time.

        Raises:
            InputError: the owner, or everybody together, has too many jobs waiting, or the job needs a GPU for longer than is allowed.
        """
        row = new_row(submission, had_inputs=inputs is not None and any(inputs.iterdir()))
        if self._workers.zero is not None:
            self._workers.zero.admit(self._task(row))
        if inputs is not None:
            self._files.take_inputs(row.id, inputs)
        try:
            job = self.store.add(row, self.limits.max_waiting, self.limits.max_queued)
        except UnlearnError:
            self._files.drop_inputs(row.id)
            raise
        for lane in self._lanes.values():
            if lane.queue == submission.lane:
                lane.wake()
        return job

    def prepare(self, queue: str) -> None:
        """Start the worker of a queue's first lane ahead of its first job."""
        self._lanes[queue].prepare()

    def get(self, job_id: str) -> Job:
        """The job; raises `InputError` when there is none."""
        return self.store.get(job_id)

    def rerun(self, job_id: str, owner: str) -> Job:
        """Queue the same work again as a new job of `owner`.

        Raises:
            InputError: there is no such job, or what it was given has been deleted.
        """
        job = self.get(job_id)
        again = Submission(
            job.lane, job.work, job.request, owner, job.parent, job.group, job.must_leave, job.keep_s, job.keeps_inputs
        )  # fmt: skip
        inputs = self.new_inputs(like=job_id) if job.had_inputs else None
        try:
            return self.submit(again, inputs)
        finally:
            if inputs is not None:
                shutil.rmtree(inputs, ignore_errors=True)  # still there only where it was refused

    def set_parent(self, job_id: str, parent: str) -> None:
        """Make a job part of another, to be shown, kept and deleted with it; the files that it was given are removed."""
        self.store.set_parent(job_id, parent)
        self.retention.became_part(job_id)

    def cancel(self, job_id: str) -> bool:
        """Stop a waiting or running job (within 2 s); False when it had ended already.

        What runs is stopped even while the list of jobs cannot be written.
        """
        for lane in self._lanes.values():
            lane.cancel(job_id)
        return self.store.request_cancel(job_id)

    def health(self) -> Health:
        """Whether the lanes work on their jobs, and why not; may be shown to anybody."""
        return Health(tuple(lane.health() for lane in self._lanes.values()), tuple(self.store.notes))

    def wait(self, job_id: str, timeout_s: float) -> Job:
        """The job once it has ended, or as it is when the time is over."""
        deadline = time.monotonic() + timeout_s
        while not (job := self.get(job_id)).ended and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return job

    def delete(self, job_id: str) -> Deleted:
        """Remove a job, the jobs that build on it, and all their files, and check that they are gone.

        Raises:
            InputError: there is no such job.
            UnlearnError: something is left.
        """
        return self.retention.delete(job_id, self._stopped_job)

    def _stopped_job(self, job: Job) -> bool:
        self.cancel(job.id)
        return self.wait(job.id, 2 * GRACE_S + 3.0).ended

    def expire(self) -> int:
        """Delete the jobs whose time is over, and all files that nobody needs any more; how many jobs."""
        return self.retention.expire(lambda job_id: self.delete(job_id))

    def _expire_forever(self) -> None:
        while not self._stopped.is_set():
            try:
                self.expire()
            except Exception as error:  # without this thread nothing would be deleted any more
                log.error("retention: %s", error if isinstance(error, UnlearnError) else reason_of(error))
            self._stopped.wait(EXPIRE_EVERY_S)
