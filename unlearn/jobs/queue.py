"""Background jobs: submit, watch, cancel, run again, delete.

State lives in SQLite (`jobs.store`), work runs in one process a lane (`jobs.worker`), and a thread a lane moves jobs
between the two. A job outlives the page that started it; a queued one outlives the server, too.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from unlearn.errors import ConfigError, InputError, UnlearnError
from unlearn.jobs.database import BUSY_TIMEOUT_S
from unlearn.jobs.health import Health, LaneHealth, reason_of
from unlearn.jobs.lane import GRACE_S, AnyWorker, Lane
from unlearn.jobs.retention import Retention
from unlearn.jobs.states import Cancelled, Deleted, Failed, Interrupted, Job, Queued, Running, State, Succeeded
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import new_row
from unlearn.jobs.worker import Worker
from unlearn.jobs.zero import GpuNeed, ZeroGpu, spaces_package
from unlearn.jobs.zero_worker import ZeroWorker

__all__ = [
    "Cancelled", "Deleted", "Failed", "GpuNeed", "Health", "Interrupted", "Job", "JobLimits", "Jobs", "LaneHealth", "Queued", "Running",
    "State", "Succeeded", "ZeroGpu", "inputs_of", "spaces_package",
]  # fmt: skip

PHOTOS_GONE = "The photos of this job were deleted when it was done; choose them again."
INPUTS = "inputs"  # beside "runs": files that jobs were given, a folder a job
POLL_S = 0.1
EXPIRE_EVERY_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobLimits:
    """How much the server takes on.

    Attributes:
        max_waiting: jobs that one owner may have waiting in a lane.
        retention_s: ended jobs are deleted after this many seconds; None keeps them.
        niceness: added to the workers' scheduling priority, so that the page answers while they compute.
        max_queued: jobs that all owners together may have waiting.
        max_run_s: a job of the first lane, which is the one for long work, is stopped after this many seconds; None: never.
        max_quick_run_s: the same for the other lanes.
    """

    max_waiting: int = 8
    retention_s: float | None = 24 * 3600.0
    niceness: int = 5
    max_queued: int = 100
    max_run_s: float | None = 4 * 3600.0  # a full-size run with portraits takes hours where there is no GPU
    max_quick_run_s: float | None = 30 * 60.0


def inputs_of(folder: Path) -> Path:
    """Where a piece of work finds the files that it was given; `folder` is the job's own."""
    return folder.parent.parent / INPUTS / folder.name


class Jobs:
    """The jobs of one data folder. Make one a server; `start` it, and `stop` it at the end."""

    def __init__(
        self, data_dir: Path, lanes: Sequence[str], limits: JobLimits, warm_up: str | None = None,
        zero: ZeroGpu | None = None, *, busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:  # fmt: skip
        """Open (or make) the folder's list of jobs.

        Args:
            data_dir: holds `jobs.sqlite` and a folder `runs/<job id>` a job.
            lanes: names of the queues; each has a worker process of its own; only the first
                lane's is started at once.
            limits: see `JobLimits`.
            warm_up: "module:function" run first in a worker, to import what is slow to import.
            zero: where the platform lends the GPU; None: workers are processes of our own.
            busy_timeout_s: how long a change waits while another program locks the list of jobs.

        Raises:
            ConfigError: another server uses the folder, or it cannot be written.
        """
        self.runs_dir, self.inputs_dir = data_dir / "runs", data_dir / INPUTS
        try:
            for folder in (self.runs_dir, self.inputs_dir):
                folder.mkdir(parents=True, exist_ok=True)
            self._file_lock = FileLock(data_dir / "jobs.lock")
            self._file_lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(f"Another server uses {data_dir}; stop it or give another data folder.") from error
        except OSError as error:
            raise ConfigError(f"The data folder {data_dir} cannot be written ({error.strerror}).") from error
        self.limits = limits
        try:
            self.store = JobStore(data_dir / "jobs.sqlite", busy_timeout_s)
        except UnlearnError:
            self._file_lock.release()
            raise
        self._zero = zero

        def make_worker(name: str) -> AnyWorker:
            def make_process() -> Worker:
                return Worker(name, limits.niceness, warm_up)

            return make_process() if zero is None else ZeroWorker(zero, make_process)

        self.retention = Retention(self.store, self.runs_dir, self.inputs_dir, limits.retention_s)
        self._lanes = {
            name: Lane(
                name, self.store, self.runs_dir, make_worker, on_success=self.retention.job_ended,
                max_run_s=limits.max_run_s if number == 0 else limits.max_quick_run_s,
            )
            for number, name in enumerate(lanes)
        }  # fmt: skip
        self._stopped = threading.Event()

    def start(self) -> None:
        """Mark what a stopped server left running as interrupted, then go on with what was queued."""
        for job_id in self.store.interrupt_running():
            shutil.rmtree(self.folder(job_id), ignore_errors=True)  # half-written: without manifest it does not exist
        self.store.end_in_the_past()
        for given in self.inputs_dir.iterdir():
            if not self.store.find(job_id=given.name):  # given to a job that was never queued
                shutil.rmtree(given, ignore_errors=True)
        for lane in self._lanes.values():
            lane.start()
        next(iter(self._lanes.values())).prepare()
        threading.Thread(target=self._expire_forever, name="jobs-retention", daemon=True).start()

    def stop(self) -> None:
        """End the workers; what runs now is found interrupted at the next start."""
        self._stopped.set()
        for lane in self._lanes.values():
            lane.stop()
        try:
            self.store.write_endings()
        except UnlearnError as error:
            log.error("the end of some jobs could not be written: %s", error)
        self.store.close()
        self._file_lock.release()

    def folder(self, job_id: str) -> Path:
        """Where the job's files are."""
        return self.runs_dir / job_id

    def new_inputs(self, like: str | None = None) -> Path:
        """A new folder for files to hand to `submit`: empty, or with copies of what an earlier job was given.

        Raises:
            InputError: what the earlier job was given has been deleted.
        """
        folder = self.inputs_dir / f"new-{secrets.token_urlsafe(16)}"
        given = None if like is None else self.inputs_dir / like
        try:
            if given is not None and given.is_dir():
                shutil.copytree(given, folder)
            else:
                folder.mkdir(parents=True)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if given is None or given.is_dir():
                raise InputError(f"The photos cannot be copied ({error.strerror or 'an error of the system'}).") from error
        if like is not None and (given is None or not given.is_dir()) and self.get(like).had_inputs:
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(PHOTOS_GONE)
        return folder

    def submit(
        self, lane: str, work: str, request: dict[str, Any], *, owner: str, part_of: tuple[str | None, str | None],
        inputs: Path | None = None, must_leave: str | None = None, keep_s: float | None = None, keeps_inputs: bool = False,
        private_keys: Sequence[str] = (),
    ) -> Job:  # fmt: skip
        """Queue a piece of work.

        Args:
            lane: one of the lanes.
            work: "module:function" with the signature of `job_worker.Work`.
            request: its argument, a JSON object.
            owner: whose turn it takes.
            part_of: (parent, group), see `Job`.
            inputs: folder of `new_inputs` with the files that the work reads (`inputs_of`); the job's from now on. An empty one is none:
                what was given no file loses none, and can be run again whenever.
            must_leave: name of the file that the work writes last; without it in the job's folder the work has failed.
            keep_s: deleted so many seconds after its end, if that is sooner than other jobs; while it is part of
                another job, it stays as long as that one.
            keeps_inputs: the inputs are still needed once it has succeeded; they go with the job, when it becomes part of
                another, or within the hour.
            private_keys: of the request, such as a photo: taken out of it once the job has succeeded, or within the hour.

        Raises:
            InputError: the owner, or everybody together, has too many jobs waiting, or the job needs a GPU for longer than is allowed.
        """
        has_inputs = inputs is not None and any(inputs.iterdir())
        row = new_row(owner, lane, work, request)
        row.parent, row.group = part_of
        row.must_leave, row.keep_s, row.private_keys = must_leave, keep_s, ",".join(private_keys)
        row.had_inputs, row.keeps_inputs = has_inputs, keeps_inputs
        if self._zero is not None:
            self._zero.admit(row.id, work, request, self.folder(row.id))
        if inputs is not None and has_inputs:
            inputs.rename(self.inputs_dir / row.id)
        elif inputs is not None:
            inputs.rmdir()
        try:
            job = self.store.add(row, self.limits.max_waiting, self.limits.max_queued)
        except UnlearnError:
            shutil.rmtree(self.inputs_dir / row.id, ignore_errors=True)
            raise
        self._lanes[lane].wake()
        return job

    def prepare(self, lane: str) -> None:
        """Start a lane's worker ahead of its first job."""
        self._lanes[lane].prepare()

    def get(self, job_id: str) -> Job:
        """The job; raises `InputError` when there is none."""
        return self.store.get(job_id)

    def rerun(self, job_id: str, owner: str) -> Job:
        """Queue the same work again as a new job of `owner`.

        Raises:
            InputError: there is no such job, or what it was given has been deleted.
        """
        job = self.get(job_id)
        if job.has_lost_parts:
            raise InputError(PHOTOS_GONE)
        inputs = self.new_inputs(like=job_id) if job.had_inputs else None
        try:
            return self.submit(
                job.lane, job.work, job.request, owner=owner, part_of=(job.parent, job.group), inputs=inputs,
                must_leave=job.must_leave, keep_s=job.keep_s, keeps_inputs=job.keeps_inputs,
                private_keys=[key for key in job.private_keys.split(",") if key],
            )  # fmt: skip
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
        """Whether the lanes work on their jobs, and if not, why; may be shown to anybody."""
        return Health(tuple(lane.health() for lane in self._lanes.values()), tuple(self.store.notes))

    def wait(self, job_id: str, timeout_s: float) -> Job:
        """The job once it has ended, or as it is when the time is over."""
        deadline = time.monotonic() + timeout_s
        while not (job := self.get(job_id)).ended and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return job

    def delete(self, job_id: str) -> Deleted:
        """Remove a job, the jobs that build on it, and all their files, and look whether they are gone.

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
            except Exception as error:  # what is kept too long would be kept for ever if this thread ended
                log.error("retention: %s", error if isinstance(error, UnlearnError) else reason_of(error))
            self._stopped.wait(EXPIRE_EVERY_S)
