"""What a lane asks of a worker, wherever it runs, and what a worker is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from unlearn.jobs.tasks import Message, Task
from unlearn.jobs.worker import WarmUp


class AnyWorker(Protocol):
    """A lane's handle on what works on its tasks. One thread starts tasks and receives; any thread may cancel or kill."""

    @property
    def alive(self) -> bool:
        """False once it has ended, for whatever reason."""

    @property
    def exit_code(self) -> int | None:
        """Of the process that does the work; None while it runs, and where it is not known."""

    def start(self, task: Task) -> None:
        """Hand over a task; there must be none at work. Raises OSError: the worker has ended."""

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time. Raises EOFError, OSError: the worker has ended."""

    def ask_to_cancel(self, job: str) -> None:
        """Make the next report of this job's task raise `JobCancelled`; no other job's."""

    def kill(self) -> None:
        """Kill the process that does the work."""

    def end(self) -> None:
        """End the worker; all its memory is free afterwards."""


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker is made from.

    Attributes:
        name: of its process; it names no job and nobody.
        is_quick: its queue is one of short questions.
        niceness: added to its scheduling priority.
        warm_up: run first in it; None: nothing.
    """

    name: str
    is_quick: bool = False
    niceness: int = 0
    warm_up: WarmUp | None = None


MakeWorker = Callable[[WorkerPlan], AnyWorker]  # raises OSError where none is to be had just now
