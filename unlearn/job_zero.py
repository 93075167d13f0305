"""Work on a Space with ZeroGPU hardware: the same tasks, inside a generator that holds a GPU while it runs.

There, a process of one's own gets no GPU: the platform lends one to a decorated function, on the account of the
visitor whose request it is called for, and runs it in a process that it forks. So a job remembers the context of the
request that submitted it, and its lane calls the function from within that context. Knows no queue and no model; the
package `spaces` is handed in, and is only there on a Space.

Source of the interface: huggingface.co/docs/hub/spaces-zerogpu (decorator `spaces.GPU(duration=seconds)`, generators allowed).
"""

from __future__ import annotations

import importlib
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from types import ModuleType

from unlearn.config import Progress
from unlearn.job_states import Cancelled, Failed
from unlearn.job_worker import Message, Reporter, Task, run_task

FLAG = "SPACES_ZERO_GPU"  # set by the platform on this hardware
STOP = ".stop"  # a file in the job's folder: how a forked process is asked to stop; so does removing the folder
MAX_REMEMBERED = 500  # requests of waiting jobs
REFUSED = (
    "The GPU could not be had ({}). Most often the visitor's daily share of it is used up: log in to Hugging Face, "
    "or come back tomorrow."
)


def spaces_package() -> ModuleType | None:
    """The package `spaces` on ZeroGPU hardware, else None. It has to be imported before torch is."""
    if os.environ.get(FLAG, "").lower() not in ("1", "true", "t", "yes"):
        return None
    try:
        return importlib.import_module("spaces")
    except ImportError:
        return None


def _is_unwanted(folder: Path) -> bool:
    return not folder.is_dir() or (folder / STOP).exists()


def working(job: str, work: str, request: dict[str, object], folder: str) -> Iterator[Message]:
    """Run a task and yield what it reports, the end last; this is what the platform runs with a GPU."""
    task = Task(job, work, request, Path(folder))
    if _is_unwanted(task.folder):  # cancelled while it waited for a GPU
        yield Message(job, Progress(0, 0), (), Cancelled(0))
        return
    told: queue.SimpleQueue[Message] = queue.SimpleQueue()
    report = Reporter(job, told.put, lambda: _is_unwanted(task.folder))
    thread = threading.Thread(target=lambda: report.send(run_task(task, report)), daemon=True)
    thread.start()
    while True:
        message = told.get()
        yield message
        if message.end is not None:
            return


class ZeroGpu:
    """Makes the lanes' workers, and keeps the requests' contexts until their jobs are run."""

    def __init__(self, spaces: ModuleType, seconds: int) -> None:
        """Register the one decorated function; the platform looks for one when the page is launched."""
        self._function: Callable[..., Iterator[Message]] = spaces.GPU(duration=seconds)(working)
        self._contexts: dict[str, Context] = {}

    def remember(self, job_id: str) -> None:
        """Keep the present request's context for this job; the oldest go, as those of jobs that were never run."""
        self._contexts[job_id] = copy_context()
        while len(self._contexts) > MAX_REMEMBERED:
            self._contexts.pop(next(iter(self._contexts)), None)

    def worker(self) -> ZeroWorker:
        """A worker with the interface of `job_worker.Worker`."""
        return ZeroWorker(self._function, self._contexts)


class ZeroWorker:
    """The lane's handle on one call of the decorated function."""

    exit_code: int | None = None

    def __init__(self, function: Callable[..., Iterator[Message]], contexts: dict[str, Context]) -> None:
        self._function, self._contexts = function, contexts
        self._told: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._task: Task | None = None
        self.alive = True

    def start(self, task: Task) -> None:
        """Call the function in the context of the job's request."""
        task.folder.mkdir(parents=True, exist_ok=True)
        self._task, self._told = task, queue.SimpleQueue()
        context = self._contexts.pop(task.job, None) or copy_context()
        arguments = (task.job, task.work, task.request, str(task.folder), self._told.put)
        threading.Thread(target=context.run, args=(self._call, *arguments), daemon=True).start()

    def _call(
        self, job: str, work: str, request: dict[str, object], folder: str, put: Callable[[Message], None]
    ) -> None:
        last, ended, reason = Progress(0, 0), False, "it was taken away"
        try:
            for message in self._function(job, work, request, folder):
                last, ended = message.progress, message.end is not None
                put(message)
        except Exception as error:  # the platform's own errors: no share left, no GPU free, time over
            reason = type(error).__name__
        if not ended:
            put(Message(job, last, (), Failed(REFUSED.format(reason))))
        if not self.alive:  # given up meanwhile: what it wrote belongs to nobody
            shutil.rmtree(folder, ignore_errors=True)

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time."""
        try:
            message = self._told.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if message.end is not None and (task := self._task) is not None:
            self._task = None
            (task.folder / STOP).unlink(missing_ok=True)  # a cancel that came late leaves nothing in the result
        return message

    def ask_to_cancel(self, job: str) -> None:
        """Make the next report of this job's task raise `JobCancelled`; no other job's."""
        task = self._task
        if task is not None and task.job == job and task.folder.is_dir():
            (task.folder / STOP).touch()

    def kill(self) -> None:
        """Nothing: the process is the platform's; the lane stops listening when its own time is over."""

    def end(self) -> None:
        """Listen no longer. A process that is stuck is ended by the platform when its time is over."""
        self.alive = False
