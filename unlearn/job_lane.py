"""One queue's thread: takes its jobs in turn and drives the process that works on them; knows no kind of work.

The thread alone talks to its worker; everybody else talks to the job store.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from unlearn.errors import UnlearnError
from unlearn.job_states import Cancelled, Failed, Job, State, Succeeded
from unlearn.job_store import JobStore
from unlearn.job_worker import Task, Worker
from unlearn.zero_worker import ZeroWorker

GRACE_S = 0.7  # after asking work to stop, before its process is killed; a cancel must take effect within 2 s
POLL_S = 0.1
CRASHED = (
    "The process that did the work ended unexpectedly (exit code {}); often that means too little memory. "
    "Run it again, if need be with fewer portraits or a smaller batch."
)

AnyWorker = Worker | ZeroWorker

log = logging.getLogger(__name__)


class Lane(threading.Thread):
    """Takes one lane's jobs in turn and drives its worker process."""

    def __init__(self, name: str, store: JobStore, runs_dir: Path, make_worker: Callable[[str], AnyWorker]) -> None:
        super().__init__(name=f"jobs-{name}", daemon=True)
        self.lane, self._store, self._runs_dir = name, store, runs_dir
        self._make_worker = make_worker
        self._news, self._stopping, self._wanted = threading.Event(), threading.Event(), threading.Event()
        self._worker: AnyWorker | None = None

    def wake(self) -> None:
        """Look at the queue now."""
        self._news.set()

    def prepare(self) -> None:
        """Start the worker and its warm-up although there is no job yet."""
        self._wanted.set()
        self._news.set()

    def stop(self) -> None:
        """End the worker and the thread."""
        self._stopping.set()
        self._news.set()
        if self.is_alive():
            self.join(5.0)
        self._end_worker()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._wanted.is_set():
                    self._wanted.clear()
                    self._ready_worker()
                job = self._store.claim(self.lane)
                if job is None:
                    self._news.wait(1.0)
                    self._news.clear()
                else:
                    self._work_on(job)
            except UnlearnError as error:  # the list of jobs cannot be used just now: the next round may work
                log.error("lane %s: %s", self.lane, error)
                self._stopping.wait(1.0)

    def _ready_worker(self) -> AnyWorker:
        if self._worker is None or not self._worker.alive:
            self._end_worker()
            self._worker = self._make_worker(f"unlearn-{self.lane}")
        return self._worker

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def _work_on(self, job: Job) -> None:
        worker, folder = self._ready_worker(), self._runs_dir / job.id
        try:
            worker.start(Task(job.work, job.request, folder))
            end = self._follow(job, worker)
        except (EOFError, OSError):
            worker.end()
            end = Failed(CRASHED.format(worker.exit_code))
        if end is None:
            return  # stopping: the job stays "running" in the list and is found interrupted at the next start
        if not isinstance(end, Succeeded):
            if self._store.cancel_requested(job.id):
                self._end_worker()  # frees all memory
                self._wanted.set()
            shutil.rmtree(folder, ignore_errors=True)
        self._store.finish(job.id, end)

    def _follow(self, job: Job, worker: AnyWorker) -> State | None:
        """Store what the worker sends until the job ends; None when the server stops."""
        step, kill_at, store = 0, float("inf"), self._store
        while not self._stopping.is_set():
            message = worker.receive(POLL_S)
            if message is not None:
                step = message.progress.step
                store.progress(job.id, replace(message.progress, losses=None), message.losses)
                if message.end is not None:
                    return message.end
            if kill_at == float("inf") and store.cancel_requested(job.id):
                worker.ask_to_cancel()
                kill_at = time.monotonic() + GRACE_S
            if time.monotonic() > kill_at:
                return Cancelled(step)
        return None
