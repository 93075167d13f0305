"""The process that does the work, and the server's handle on it.

The worker gets one task after another through a pipe, imports the task's function by its dotted name and sends
back what it reports. Every task, message and cancel names its job, so that messages of one job cannot reach another.
The worker ends with its parent, and it is ended after a cancelled task, so that memory is freed.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing as mp
import os
import shutil
import signal
import threading
import traceback
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from unlearn.jobs.tasks import Message, Reporter, Task, resolve, run_task

KILL_AFTER_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WarmUp:
    """What a new worker does before its first task: "package.module:function", called with the server's settings."""

    function: str
    settings: dict[str, Any] = field(default_factory=dict)


def _end_with_parent(scratch: Path | None) -> None:
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)  # the server is gone; nobody would take the result


def _listen(cancels: Connection, cancelled: set[str]) -> None:
    with contextlib.suppress(EOFError, OSError):
        while True:
            cancelled.add(cancels.recv())


def _run_warm_up(warm_up: WarmUp) -> None:
    try:
        resolve(warm_up.function)(warm_up.settings)
    except Exception as error:  # the first task will fail in the same way, with a message for its user
        log.error("the warm-up failed with %s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def worker_main(connection: Connection, cancels: Connection, niceness: int, warm_up: WarmUp | None, scratch: Path | None) -> None:
    """Body of the worker process: serve tasks until the pipe closes.

    `cancels` brings the ids of jobs that shall stop; one that comes late names a job that is over, and does nothing.
    `scratch` is removed where the process ends because its parent is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)  # the page stays quick while the work computes
    cancelled: set[str] = set()
    threading.Thread(target=_listen, args=(cancels, cancelled), daemon=True).start()
    if warm_up is not None:
        _run_warm_up(warm_up)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        report = Reporter(task.job, connection.send, partial(cancelled.__contains__, task.job))
        report.send(run_task(task, report))


class Worker:
    """The server's handle on one worker process. One thread starts tasks and receives; any thread may cancel or kill."""

    def __init__(self, name: str, niceness: int = 0, warm_up: WarmUp | None = None, scratch: Path | None = None) -> None:
        """Start the process; `scratch` is a folder that must not outlive both processes.

        Raises:
            OSError: the system gives no process, no memory or no file handle.
        """
        context = mp.get_context("spawn")  # fork would copy the server's threads and locks
        with contextlib.ExitStack() as opened:
            self._connection, child_end = (opened.enter_context(end) for end in context.Pipe())
            cancels_end, self._cancels = (opened.enter_context(end) for end in context.Pipe(duplex=False))
            self._process = context.Process(
                target=worker_main, args=(child_end, cancels_end, niceness, warm_up, scratch), name=name, daemon=True
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

    def wait_for_end(self) -> int | None:
        """Wait until the process has ended; its exit code."""
        self._process.join()
        return self.exit_code

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
        with self._cancels_lock, contextlib.suppress(OSError):  # the process may have ended already
            self._cancels.send(job)

    def kill(self) -> None:
        """Kill the process; who waits for a message gets an EOFError."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and wait until it is gone; all its memory is free afterwards."""
        self._process.kill()
        self._process.join(KILL_AFTER_S)
        self._connection.close()
        with self._cancels_lock:
            self._cancels.close()
