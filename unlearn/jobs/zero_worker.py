"""A lane's worker on ZeroGPU hardware: calls the decorated function for work that needs a GPU, and runs the rest in a process.

Work that needs no GPU runs in an ordinary worker process and takes nothing from anybody's share; so does the part of a job that
comes before its need of one.
"""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from unlearn.jobs.states import Failed, Succeeded
from unlearn.jobs.tasks import Message, Task
from unlearn.jobs.worker import Worker
from unlearn.jobs.zero import STOP, ZeroGpu
from unlearn.jobs.zero_refusals import is_closed_page, sentence
from unlearn.progress import Progress

CLOSED_PAUSE_S = 2.0

log = logging.getLogger(__name__)


class ZeroWorker:
    """The lane's handle on one call of the decorated function, or on a process; with the interface of `jobs.worker.Worker`."""

    def __init__(self, zero: ZeroGpu, make_process: Callable[[], Worker]) -> None:
        self._zero, self._make_process = zero, make_process
        self._process: Worker | None = None
        self._in_process = False
        self._after: Task | None = None  # waits for the part of the work that needs no GPU
        self._task: Task | None = None
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._ended = False

    @property
    def alive(self) -> bool:
        """False once given up, or when the process that is in use has ended."""
        return not self._ended and (not self._in_process or self._process is None or self._process.alive)

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process; None while it runs, or where there is none."""
        return self._process.exit_code if self._process is not None else None

    def start(self, task: Task) -> None:
        """Hand the task to the process, or call the function in the context of the job's request.

        Raises:
            OSError: the process has ended, or there is none to be had.
        """
        task.folder.mkdir(parents=True, exist_ok=True)
        self._task, self._after = task, None
        need = self._zero.need(task)
        if need.seconds == 0:
            self._start_process(task)
        elif need.before:
            self._after = task
            self._start_process(replace(task, work=need.before))
        else:
            self._lend(task)

    def _start_process(self, task: Task) -> None:
        if self._process is not None and not self._process.alive:
            self._process.end()
            self._process = None
        if self._process is None:
            self._process = self._make_process()
        self._in_process = True
        self._process.start(task)

    def _lend(self, task: Task) -> None:
        self._messages = queue.SimpleQueue()
        self._in_process = False
        context = self._zero.context(task.job)
        threading.Thread(target=context.run, args=(self._call, task, self._messages.put), daemon=True).start()

    def _call(self, task: Task, put: Callable[[Message], None]) -> None:
        last, ended, refused = Progress(0, 0), False, None
        seconds = self._zero.seconds
        try:
            seconds = self._zero.duration(task)
            for message in self._lent_messages(task):
                last, ended = message.progress, message.end is not None
                put(message)
        except Exception as error:  # the platform's own errors: no share left, no GPU free, time over
            log.warning("no GPU, or no longer: %s %s", type(error).__name__, getattr(error, "title", ""))
            refused = error
        if not ended:
            put(Message(task.job, last, (), Failed(sentence(refused, seconds))))
        if self._ended:  # given up meanwhile: nobody reads what it wrote
            shutil.rmtree(task.folder, ignore_errors=True)

    def _lent_messages(self, task: Task) -> Iterator[Message]:
        """What the function yields. Where the page was closed while a GPU was waited for, it is called once more."""
        begun = False
        try:
            for message in self._zero.function(task):
                begun = True
                yield message
        except RuntimeError as error:
            if begun or not is_closed_page(error):
                raise
            time.sleep(CLOSED_PAUSE_S)  # until Gradio has dropped the page's event; the platform then looks for no page any more
            yield from self._zero.function(task)

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time.

        Raises:
            EOFError, OSError: the process has ended.
        """
        if self._in_process and self._process is not None:
            message = self._process.receive(timeout_s)
            if message is not None and isinstance(message.end, Succeeded) and (task := self._after) is not None:
                self._after = None
                self._lend(task)
                return replace(message, end=None)
            return message
        try:
            message = self._messages.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if message.end is not None and (task := self._task) is not None:
            self._task = None
            (task.folder / STOP).unlink(missing_ok=True)  # a cancel that came late leaves nothing in the result
        return message

    def ask_to_cancel(self, job: str) -> None:
        """Make the next report of this job's task raise `JobCancelled`; no other job's."""
        task, process = self._task, self._process
        if self._in_process and process is not None:
            process.ask_to_cancel(job)
        elif task is not None and task.job == job and task.folder.is_dir():
            (task.folder / STOP).touch()

    def kill(self) -> None:
        """Kill the process if it is at work. A forked one is the platform's: the lane stops listening when its own time is over."""
        if self._in_process and self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """End the process, and listen no longer. A forked one that is stuck is ended by the platform when its time is over."""
        self._ended = True
        if self._process is not None:
            self._process.end()
