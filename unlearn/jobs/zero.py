"""Work on a Space with ZeroGPU hardware: the same tasks, inside a generator that holds a GPU while it runs.

There, a process of one's own gets no GPU: the platform lends one to a decorated function, on the account of the visitor whose
request it is called for, and runs it in a process that it forks. So a job remembers the context of the request that submitted
it, and its lane calls the function from within that context. The task and the messages are pickled. `zero_worker` is the lanes'
side.

Source of the interface: huggingface.co/docs/hub/spaces-zerogpu (decorator `spaces.GPU(duration=callable)`, generators
allowed; the callable gets the function's own arguments).
"""

from __future__ import annotations

import importlib
import math
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from unlearn.errors import ConfigError, InputError
from unlearn.jobs.states import Cancelled
from unlearn.jobs.tasks import Message, Reporter, Task, run_task
from unlearn.progress import Progress

FLAG = "SPACES_ZERO_GPU"  # set by the platform on this hardware
STOP = ".stop"  # a file in the job's folder: how a forked process is asked to stop; so does removing the folder
MAX_REMEMBERED = 500  # requests of waiting jobs
LEAST_S = 10  # asked for at least: the platform also counts the start of its process
MARGIN = 1.3  # an estimate may be wrong by so much before the GPU is taken away
DOES_NOT_FIT = (
    "This needs about {} s of a GPU, and a job may hold one for {} s here. Forget fewer persons at once, or take fewer fine-tuning "
    "steps, portraits or drawing steps; whoever runs the Space can raise --gpu-seconds."
)


@dataclass(frozen=True)
class GpuNeed:
    """What a piece of work needs of a GPU.

    Attributes:
        seconds: an estimate; 0: no GPU at all; None: not known, so as long as is allowed.
        before: "module:function" of work without a GPU that is done first, in a process of our own; "": nothing is.
    """

    seconds: float | None
    before: str = ""


Need = Callable[[Task], GpuNeed]


def _not_known(task: Task) -> GpuNeed:
    return GpuNeed(None)


def spaces_package() -> ModuleType | None:
    """The package `spaces` on ZeroGPU hardware, else None. It has to be imported before torch is."""
    if os.environ.get(FLAG, "").lower() not in ("1", "true", "t", "yes"):
        return None
    try:
        package = importlib.import_module("spaces")
    except ImportError:
        return None
    # Else Gradio may decorate every function of the page, and each click would ask for a GPU.
    getattr(package, "disable_gradio_auto_wrap", lambda: None)()
    return package


def _is_unwanted(folder: Path) -> bool:
    return not folder.is_dir() or (folder / STOP).exists()


def working(task: Task) -> Iterator[Message]:
    """Run a task and yield what it reports, the end last; this is what the platform runs with a GPU."""
    if _is_unwanted(task.folder):  # cancelled while it waited for a GPU
        yield Message(task.job, Progress(0, 0), (), Cancelled(0))
        return
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    report = Reporter(task.job, messages.put, lambda: _is_unwanted(task.folder))
    thread = threading.Thread(target=lambda: report.send(run_task(task, report)), daemon=True)
    thread.start()
    while True:
        message = messages.get()
        yield message
        if message.end is not None:
            return


class ZeroGpu:
    """The decorated function, how long a GPU is asked for, and the requests' contexts until their jobs are run."""

    def __init__(self, spaces: ModuleType, seconds: int, need: Need = _not_known) -> None:
        """Register the one decorated function; the platform looks for one when the page is launched.

        Args:
            spaces: the platform's package.
            seconds: longest time that one job may hold a GPU.
            need: estimates what a job needs of it.

        Raises:
            ConfigError: `seconds` is too short for anything.
        """
        if seconds < LEAST_S:
            raise ConfigError(f"--gpu-seconds is {seconds}; use {LEAST_S} or more.")
        self.seconds, self.need = seconds, need
        self.function: Callable[..., Iterator[Message]] = spaces.GPU(duration=self.duration)(working)
        self._contexts: dict[str, Context] = {}
        self._submitted: ContextVar[list[str] | None] = ContextVar("submitted", default=None)

    def duration(self, task: Task) -> int:
        """Seconds to ask for; called by the platform with the argument of the decorated function."""
        seconds = self.need(task).seconds
        if seconds is None:
            return self.seconds
        return min(self.seconds, max(LEAST_S, math.ceil(MARGIN * seconds)))

    def admit(self, task: Task) -> None:
        """Keep the present request's context for a new job; the oldest go, as those of jobs that were never run.

        Raises:
            InputError: the job needs a GPU for longer than one may hold it.
        """
        seconds = self.need(task).seconds
        if seconds is not None and seconds > self.seconds:
            raise InputError(DOES_NOT_FIT.format(math.ceil(seconds), self.seconds))
        if seconds == 0:
            return
        if (submitted := self._submitted.get()) is not None:
            submitted.append(task.job)
        self._contexts[task.job] = copy_context()
        while len(self._contexts) > MAX_REMEMBERED:
            self._contexts.pop(next(iter(self._contexts)), None)

    @contextmanager
    def submissions(self) -> Iterator[list[str]]:
        """The ids of the jobs with need of a GPU that are submitted within, by this thread or task."""
        ids: list[str] = []
        mark = self._submitted.set(ids)
        try:
            yield ids
        finally:
            self._submitted.reset(mark)

    def context(self, job_id: str) -> Context:
        """The context of the request that submitted the job; an empty one where it is not known (any more)."""
        return self._contexts.pop(job_id, None) or Context()
