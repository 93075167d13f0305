"""The process that does the work, and the server's handle on it.

The worker gets one task after another through a pipe, imports the task's function by its dotted name and sends
back what it reports. Every task, message and cancel names its job, so that nothing of one job is taken for another's.
The worker ends with its parent, and it is ended after a cancelled task, so that memory is freed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import logging
import multiprocessing as mp
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from unlearn.errors import JobCancelled, UnlearnError
from unlearn.jobs.failures import lack_of_memory, places
from unlearn.jobs.states import Cancelled, Failed, State, Succeeded
from unlearn.progress import Progress, Report

SEND_EVERY_S = 0.4  # progress is sent no more often; the losses of the steps between are kept and sent along
KILL_AFTER_S = 2.0

Work = Callable[[dict[str, Any], Path, Report], dict[str, Any]]  # request, folder for files, report -> result

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One piece of work: its job, the function's dotted name, its request, and an own folder to write to."""

    job: str
    work: str
    request: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Message:
    """What the worker sends about a job: progress with the losses since the last message, or the end of the task.

    `is_spent` says that the process may be left in a bad state and must not be given another task.
    """

    job: str
    progress: Progress
    losses: tuple[tuple[int, dict[str, Any]], ...] = ()  # of each step, with its encoder
    end: State | None = None
    is_spent: bool = False


def resolve(dotted: str) -> Callable[..., Any]:
    """The function named "package.module:function"."""
    module, _, name = dotted.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


class Reporter:
    """The `Report` given to the work: raises `JobCancelled` once asked to, and sends not too often."""

    def __init__(self, job: str, send: Callable[[Message], None], is_cancelled: Callable[[], bool]) -> None:
        self._job, self._send, self._is_cancelled = job, send, is_cancelled
        self.is_spent = False
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
        self._send(Message(self._job, self.last, tuple(self.losses), end, self.is_spent))
        self.losses.clear()
        self._sent_at = time.monotonic()


def run_task(task: Task, report: Reporter) -> State:
    """The end of a task. The one place where any exception is caught: it becomes `Failed`."""
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        work: Work = resolve(task.work)
        result = work(task.request, task.folder, report)
        json.dumps(result).encode()  # what cannot be stored fails here, where it can still be told
        return Succeeded(result)
    except JobCancelled:
        return Cancelled(report.last.step)
    except UnlearnError as error:
        lack = lack_of_memory(error)
        report.is_spent = lack is not None  # what is still held would be missing again
        return Failed(str(lack or error))
    except Exception as error:  # whatever the work raises, the page lives on
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


def _end_with_parent() -> None:
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # the server is gone; nobody would take the result


def _listen(cancels: Connection, cancelled: set[str]) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            cancelled.add(cancels.recv())


def _warm_up(dotted: str) -> None:
    try:
        resolve(dotted)()
    except Exception as error:  # the first task meets the same trouble, and can tell it to somebody
        log.error("the warm-up failed with %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def worker_main(connection: Connection, cancels: Connection, niceness: int, warm_up: str | None) -> None:
    """Body of the worker process: serve tasks until the pipe closes.

    `cancels` brings the ids of jobs that shall stop; one that comes late names a job that is over, and does nothing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)  # the page stays quick while the work computes
    cancelled: set[str] = set()
    threading.Thread(target=_listen, args=(cancels, cancelled), daemon=True).start()
    if warm_up:
        _warm_up(warm_up)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        report = Reporter(task.job, connection.send, partial(cancelled.__contains__, task.job))
        report.send(run_task(task, report))


class Worker:
    """The server's handle on one worker process. One thread starts tasks and receives; any thread may cancel or kill."""

    def __init__(self, name: str, niceness: int = 0, warm_up: str | None = None) -> None:
        """Start the process.

        Raises:
            OSError: the system gives no process, no memory or no file handle.
        """
        context = mp.get_context("spawn")  # fork would copy the server's threads and locks
        with contextlib.ExitStack() as opened:
            self._connection, child_end = (opened.enter_context(end) for end in context.Pipe())
            cancels_end, self._cancels = (opened.enter_context(end) for end in context.Pipe(duplex=False))
            self._process = context.Process(
                target=worker_main, args=(child_end, cancels_end, niceness, warm_up), name=name, daemon=True
            )
            self._process.start()
            opened.pop_all()  # it runs: only the child's ends are closed here
        for end in (child_end, cancels_end):
            end.close()
        self._cancels_lock = threading.Lock()

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

    def ask_to_cancel(self, job: str) -> None:
        """Make the next report of this job's task raise `JobCancelled`; no other job's."""
        with self._cancels_lock, contextlib.suppress(OSError):  # a process that has ended is no longer to be stopped
            self._cancels.send(job)

    def kill(self) -> None:
        """Kill the process; whoever waits for a message is told by an EOFError."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and wait until it is gone; all its memory is free afterwards."""
        self._process.kill()
        self._process.join(KILL_AFTER_S)
        self._connection.close()
        with self._cancels_lock:
            self._cancels.close()
