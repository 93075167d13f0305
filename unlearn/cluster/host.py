"""What runs on the machine of a lane: a process that does the work, with a scratch folder in the place of the server's data folder.

The scratch folder holds copies of what a job needs, and what it writes, while it runs; then they are removed. No Ray here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from unlearn.cluster.parcels import FileState, Piece, Unpacker, files_below, pieces_of
from unlearn.cluster.scratch import Scratch
from unlearn.config.paths import settle_home
from unlearn.jobs.health import reason_of
from unlearn.jobs.tasks import Message, Task
from unlearn.jobs.worker import Worker
from unlearn.jobs.workers import WorkerPlan

PREFIX = "unlearn-lane-"

P = ParamSpec("P")
R = TypeVar("R")


def _without_values(method: Callable[Concatenate[LaneHost, P], R]) -> Callable[Concatenate[LaneHost, P], R]:
    """Let an error leave the machine without its text, which may hold a name and would be logged on the way."""

    @wraps(method)
    def wrapped(self: LaneHost, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            raise OSError(getattr(error, "errno", None) or 0, reason_of(error)) from None

    return wrapped


@dataclass(frozen=True)
class HostPlan:
    """What a lane's machine is told when the lane begins.

    Attributes:
        worker: how the process that does the work is made.
        scratch: folder for scratch folders; None: that of the machine for temporary files.
    """

    worker: WorkerPlan
    scratch: Path | None = None


class LaneHost:
    """One lane's machine. Its methods may be called by several threads: one works on a job, others cancel it or wait for its end."""

    def __init__(self, plan: HostPlan) -> None:
        self._scratch = Scratch(Path(tempfile.gettempdir()) if plan.scratch is None else plan.scratch, PREFIX)
        self._root = self._scratch.path
        settle_home(self._root)
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        warm_up = plan.worker.warm_up
        if warm_up is not None:
            warm_up = replace(warm_up, settings=self._here(warm_up.settings))
        self._worker = Worker(plan.worker.name, plan.worker.niceness, warm_up, scratch=self._root)
        self._folders: tuple[str, ...] = ()
        self._unpacker = Unpacker(self._root, ())
        self._arrived: dict[str, FileState] = {}
        self._leaving: Iterator[list[Piece]] = iter(())

    def _here(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {**settings, "data_dir": str(self._root)}

    def wait_for_end(self) -> int | None:
        """Wait until the process that does the work has ended; its exit code."""
        return self._worker.wait_for_end()

    @_without_values
    def expect(self, folders: Sequence[str]) -> None:
        """Make ready for a job that reads and writes in these folders of the data folder."""
        self._folders = tuple(folders)
        self._unpacker = Unpacker(self._root, self._folders)

    @_without_values
    def put(self, pieces: list[Piece]) -> None:
        """Take files of the job that is expected."""
        self._unpacker.write(pieces)

    @_without_values
    def start(self, task: Task, folder: str) -> None:
        """Begin a task whose files have arrived; `folder` is its own, relative to the data folder."""
        self._arrived = files_below(self._root, self._folders)
        self._worker.start(replace(task, folder=self._root / folder, settings=self._here(task.settings)))

    def receive(self, timeout_s: float) -> Message | None:
        """The next message of the work, or None when none came in time, or none will."""
        with suppress(EOFError, OSError):
            return self._worker.receive(timeout_s)
        return None

    @_without_values
    def finish(self) -> list[str]:
        """Make what the job changed ready for `take`; the files that it removed."""
        now = files_below(self._root, self._folders)
        self._leaving = pieces_of(self._root, [path for path, state in now.items() if self._arrived.get(path) != state])
        return [path for path in self._arrived if path not in now]

    @_without_values
    def take(self) -> list[Piece]:
        """The next files that the job changed; none: that was all."""
        return next(self._leaving, [])

    @_without_values
    def clear(self) -> None:
        """Remove the files of the job."""
        self._unpacker.close()
        for folder in self._folders:
            shutil.rmtree(self._root / folder, ignore_errors=True)

    def ask_to_cancel(self, job: str) -> None:
        """As of `jobs.worker.Worker`."""
        self._worker.ask_to_cancel(job)

    def kill(self) -> None:
        """Kill the process that does the work."""
        self._worker.kill()

    def close(self) -> None:
        """End the process, and remove everything from this machine."""
        self._worker.end()
        self._scratch.remove()
