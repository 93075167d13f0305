"""A piece of work and how a process runs it: the function is imported by its dotted name, and the end of the work is a state."""

from __future__ import annotations

import errno
import importlib
import json
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unlearn.errors import JobCancelled, UnlearnError
from unlearn.jobs.failures import lack_of_memory, places
from unlearn.jobs.states import Cancelled, Failed, State, Succeeded
from unlearn.progress import Progress, Report

SEND_EVERY_S = 0.4  # progress is sent no more often; the losses of the steps between are kept and sent along

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One piece of work with everything that its function needs; nothing is read from the environment.

    Attributes:
        job: id of the job.
        work: the function, "package.module:function".
        request: of the job, a JSON object.
        folder: an own folder to write to.
        settings: of the server, as plain values; the function validates them.
    """

    job: str
    work: str
    request: dict[str, Any]
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)


Work = Callable[[Task, Report], dict[str, Any]]  # the result is a JSON object


@dataclass(frozen=True)
class Message:
    """What the worker sends about a job: progress with the losses since the last message, or the end of the task.

    Attributes:
        job: id of the job.
        progress: the latest.
        losses: rows {"encoder", "step" (of this encoder), loss name: value...}.
        end: None while the task goes on.
        is_spent: the process may be left in a bad state and must not be given another task.
    """

    job: str
    progress: Progress
    losses: tuple[dict[str, Any], ...] = ()
    end: State | None = None
    is_spent: bool = False


def resolve(dotted: str) -> Callable[..., Any]:
    """The function named "package.module:function"."""
    module, _, name = dotted.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


class Reporter:
    """The `Report` given to the work: raises `JobCancelled` once the job is to stop, and limits how often messages are sent."""

    def __init__(self, job: str, send: Callable[[Message], None], is_cancelled: Callable[[], bool]) -> None:
        self._job, self._send, self._is_cancelled = job, send, is_cancelled
        self.is_spent = False
        self.last = Progress(0, 0)
        self.losses: list[dict[str, Any]] = []
        self._sent_at = 0.0

    def __call__(self, progress: Progress) -> None:
        if self._is_cancelled():
            raise JobCancelled
        new_note = progress.note != self.last.note
        self.last = progress
        if progress.losses:
            self.losses.append({"encoder": progress.encoder, "step": progress.step, **progress.losses})
        if new_note or time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self.send()

    def send(self, end: State | None = None) -> None:
        self._send(Message(self._job, self.last, tuple(self.losses), end, self.is_spent))
        self.losses.clear()
        self._sent_at = time.monotonic()


def run_task(task: Task, report: Reporter) -> State:
    """The end of a task. The one place where any exception is caught: it becomes `Failed`."""
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        work: Work = resolve(task.work)
        result = work(task, report)
        json.dumps(result).encode()  # a result that cannot be stored fails here, with a message
        return Succeeded(result)
    except JobCancelled:
        return Cancelled(report.last.step)
    except UnlearnError as error:
        lack = lack_of_memory(error)
        report.is_spent = lack is not None  # what the process still holds would be missing again
        return Failed(str(lack or error))
    except Exception as error:  # whatever the work raises must not end the server
        report.is_spent = True
        # Only places and the kind of error are logged: the text of a foreign error may hold a name.
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("the work failed with %s\n%s", type(error).__name__, frames)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return Failed("The disk is full. Delete earlier jobs or make room, then run it again.")
        if (lack := lack_of_memory(error)) is not None:
            return Failed(str(lack), places(error))
        message = f"Something unexpected went wrong ({type(error).__name__}). Run it again; if it fails again, report it."
        return Failed(message, places(error))
