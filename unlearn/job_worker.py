"""The process that does the work, and the server's handle on it; knows no queue, no database, no model.

The worker gets one task after another through a pipe, imports the task's function by its dotted name and sends
back what it reports. It ends with its parent, and it is ended after a cancelled task, so that memory is freed.
"""

from __future__ import annotations

import errno
import importlib
import logging
import multiprocessing as mp
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from unlearn.config import Progress, Report
from unlearn.errors import JobCancelled, UnlearnError
from unlearn.job_states import Cancelled, Failed, State, Succeeded

SEND_EVERY_S = 0.4  # progress is sent no more often; the losses of the steps between are kept and sent along
KILL_AFTER_S = 2.0

Work = Callable[[dict[str, Any], Path, Report], dict[str, Any]]  # request, folder for files, report -> result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One piece of work: the function's dotted name, its request, and an own folder to write to."""

    work: str
    request: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Message:
    """What the worker sends: progress with the losses since the last message, or the end of the task."""

    progress: Progress
    losses: tuple[tuple[int, dict[str, Any]], ...] = ()  # of each step, with its encoder
    end: State | None = None


def resolve(dotted: str) -> Callable[..., Any]:
    """The function named "package.module:function"."""
    module, _, name = dotted.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


class Reporter:
    """The `Report` given to the work: raises `JobCancelled` once asked to, and sends not too often."""

    def __init__(self, send: Callable[[Message], None], is_cancelled: Callable[[], bool]) -> None:
        self._send, self._is_cancelled = send, is_cancelled
        self.last = Progress(0, 0)
        self.losses: list[tuple[int, dict[str, Any]]] = []
        self._sent_at = 0.0

    def __call__(self, progress: Progress) -> None:
        if self._is_cancelled():
            raise JobCancelled
        new_note = progress.note != self.last.note
        self.last = progress
        if progress.losses:
            self.losses.append((progress.step, {"encoder": progress.encoder, **progress.losses}))
        if new_note or time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self.send()

    def send(self, end: State | None = None) -> None:
        self._send(Message(self.last, tuple(self.losses), end))
        self.losses.clear()
        self._sent_at = time.monotonic()


def run_task(task: Task, report: Reporter) -> State:
    """The end of a task. The one place where any exception is caught: it becomes `Failed`."""
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        work: Work = resolve(task.work)
        return Succeeded(work(task.request, task.folder, report))
    except JobCancelled:
        return Cancelled(report.last.step)
    except UnlearnError as error:
        return Failed(str(error))
    except Exception as error:  # the only one: whatever the work raises, the page lives on
        # Only places and the kind of error are logged: the text of a foreign error may hold a name.
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("the work failed with %s\n%s", type(error).__name__, frames)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return Failed("The disk is full. Delete earlier jobs or make room, then run it again.")
        message = f"Something unexpected went wrong ({type(error).__name__}). Run it again; if it fails again, report it."
        return Failed(message, f"{frames}{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # the server is gone; nobody would take the result


def worker_main(connection: Connection, cancel: Event, niceness: int, warm_up: str | None) -> None:
    """Body of the worker process: serve tasks until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)  # the page stays quick while the work computes
    if warm_up:
        resolve(warm_up)()
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        report = Reporter(connection.send, cancel.is_set)
        report.send(run_task(task, report))


class Worker:
    """The server's handle on one worker process."""

    def __init__(self, name: str, niceness: int = 0, warm_up: str | None = None) -> None:
        context = mp.get_context("spawn")  # fork would copy the server's threads and locks
        self._connection, child_end = context.Pipe()
        self._cancel = context.Event()
        self._process = context.Process(
            target=worker_main, args=(child_end, self._cancel, niceness, warm_up), name=name, daemon=True
        )
        self._process.start()
        child_end.close()

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended, for whatever reason."""
        return self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """As of `multiprocessing`: negative for a signal, None while alive."""
        return self._process.exitcode

    def start(self, task: Task) -> None:
        """Hand over a task; there must be none at work.

        Raises:
            OSError: the process has ended.
        """
        self._connection.send(task)

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time.

        Raises:
            EOFError, OSError: the process has ended.
        """
        if not self._connection.poll(timeout_s):
            return None
        message: Message = self._connection.recv()
        return message

    def ask_to_cancel(self) -> None:
        """Make the next report of the task raise `JobCancelled`."""
        self._cancel.set()

    def end(self) -> None:
        """Kill the process and wait until it is gone; all its memory is free afterwards."""
        self._process.kill()
        self._process.join(KILL_AFTER_S)
        self._connection.close()
