"""Calls of functions on a cluster's lanes, one after another on each, by a program that has no list of jobs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from unlearn.cluster.ray_worker import RayWorker, RemoteLanes
from unlearn.errors import UnlearnError
from unlearn.jobs.states import Failed, Succeeded
from unlearn.jobs.tasks import Task
from unlearn.jobs.workers import WorkerPlan

TRIES = 2  # where the process or its machine is lost
FOLDERS = "folders"  # in a request: what the function reads, relative to the data folder
LOST = "A process of the cluster that did the work ended unexpectedly, {} times (exit code {}). Try fewer lanes (--ray-share)."


def folders_of(task: Task) -> Sequence[str]:
    """The folders that a call names."""
    folders: Sequence[str] = task.request[FOLDERS]
    return folders


class LaneCaller:
    """One lane; `end` it at the end."""

    def __init__(self, lanes: RemoteLanes, name: str, settings: dict[str, Any]) -> None:
        self._lanes, self._name, self._settings = lanes, name, settings
        self._worker: RayWorker | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the call that is under way, and every later one, fail soon."""
        self._stopped.set()

    def call(self, work: str, request: dict[str, Any], folders: Sequence[str] = ()) -> dict[str, Any]:
        """The result of a function "package.module:function" with (task, report); a lane that is lost is made anew, and asked again.

        Raises:
            UnlearnError: the function failed, or its process was lost each time.
        """
        task = Task(self._name, work, {**request, FOLDERS: list(folders)}, self._lanes.data_dir / "calls" / self._name, self._settings)
        exit_code = None
        if self._stopped.is_set():
            raise UnlearnError("The work was stopped.")
        for _ in range(TRIES):
            try:
                return self._result(task)
            except (EOFError, OSError):
                exit_code = self._worker.exit_code if self._worker is not None else None
                self.end()
        raise UnlearnError(LOST.format(TRIES, "unknown" if exit_code is None else exit_code))

    def _result(self, task: Task) -> dict[str, Any]:
        if self._worker is None:
            self._worker = self._lanes.worker(WorkerPlan(f"unlearn-{self._name}"))
        self._worker.start(task)
        while True:
            message = self._worker.receive(1.0)
            if self._stopped.is_set():
                raise UnlearnError("The work was stopped.")
            if message is None and not self._worker.alive:
                raise EOFError
            if message is None or message.end is None:
                continue
            if isinstance(message.end, Succeeded):
                return message.end.result
            raise UnlearnError(message.end.message if isinstance(message.end, Failed) else "The work was stopped.")

    def end(self) -> None:
        """End the lane's process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()
