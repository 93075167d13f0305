"""A stand-in for the package `spaces` that runs a decorated generator as ZeroGPU does; nothing of it is shared with the code under test.

As there: the duration is worked out before anything is lent, with the function's own arguments; each call runs in a process that is
forked from the server's; arguments and what is yielded are pickled on their way; what the function raises comes back as Gradio's `Error`
with the name of its type; the server's process never touches the GPU. Refusals are Gradio's `Error`, with the platform's words.

Source: package `spaces` 0.51, zero/wrappers.py (`generator_function_wrapper`), zero/client.py (`schedule`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps
from multiprocessing.queues import SimpleQueue
from pickle import PicklingError
from types import ModuleType
from typing import Any

import gradio as gr
from gradio.context import LocalContext

FORK = multiprocessing.get_context("fork")
QUOTA = (
    "You have exceeded your free ZeroGPU quota (180s requested vs. 35s left). Try again in 3:12:05. "
    '<a style="white-space: nowrap" href="https://huggingface.co/subscribe/pro?from=ZeroGPU">Subscribe to Pro</a> &amp; get more'
)
REFUSALS = {
    "quota": ("ZeroGPU quota exceeded", QUOTA),
    "none free": ("ZeroGPU queue timeout", "No GPU was available after 60s. Retry later"),
    "too long": ("ZeroGPU illegal duration", "The requested GPU duration (180s) is larger than the maximum allowed"),
    "stale": ("ZeroGPU client error", "Expired ZeroGPU proxy token"),
}
request: ContextVar[str] = ContextVar("request", default="nobody")  # where no page is; Gradio's own holds the visitor's token


def error(title: str, message: str) -> gr.Error:
    """As the platform makes its errors."""
    return gr.Error(message, title=title, print_exception=False)


class PicklingQueue(SimpleQueue):  # type: ignore[type-arg]
    """Says `PicklingError` for whatever cannot be pickled."""

    def __init__(self) -> None:
        super().__init__(ctx=FORK)

    def put(self, obj: Any) -> None:
        try:
            super().put(obj)
        except Exception as reason:
            if "pickle" not in str(reason):
                raise
            raise PicklingError(str(reason)) from reason


class Platform(ModuleType):
    """The package: notes for whom, for how long and in which process it lent; can refuse and take away."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.lent: list[tuple[str | None, int]] = []
        self.pids: list[int] = []
        self.refuses: str | Exception = ""  # a key of REFUSALS, or what is raised
        self.refusals_left = 10**9
        self.takes_away = False
        self.auto_wraps = True

    def disable_gradio_auto_wrap(self) -> None:
        """As there."""
        self.auto_wraps = False

    def GPU(self, duration: int | Callable[..., int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The decorator."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(function)
            def handler(*args: Any, **kwargs: Any) -> Iterator[Any]:
                seconds = duration(*args, **kwargs) if callable(duration) else duration
                self._schedule(seconds)
                yield from self._run(function, args, kwargs)

            return handler

        return decorate

    def _schedule(self, seconds: int) -> None:
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            raise AssertionError("CUDA was used in the server's process: a forked one cannot use it any more")
        page = LocalContext.request.get(None)
        token = page.headers.get("x-ip-token") if page is not None else request.get()
        self.lent.append((token, seconds))
        if not self.refuses or self.refusals_left == 0:
            return
        self.refusals_left -= 1
        raise self.refuses if isinstance(self.refuses, Exception) else error(*REFUSALS[self.refuses])

    def _run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Iterator[Any]:
        tasks, results = PicklingQueue(), PicklingQueue()
        process = FORK.Process(target=_child, args=(function, tasks, results), daemon=True)
        process.start()
        self.pids.append(process.pid or 0)
        try:
            tasks.put((args, kwargs))
            while True:
                while results.empty() and process.is_alive():
                    process.join(0.01)
                if results.empty():
                    raise error("ZeroGPU worker error", "GPU task aborted")
                kind, value = results.get()
                if kind == "end":
                    return
                if kind == "exception":
                    raise error("ZeroGPU worker error", value)
                yield value
                if self.takes_away:
                    os.kill(process.pid or 0, signal.SIGKILL)
                    process.join()
        finally:
            if process.is_alive():
                process.terminate()
            process.join()


def _child(function: Callable[..., Any], tasks: PicklingQueue, results: PicklingQueue) -> None:
    args, kwargs = tasks.get()
    generator = function(*args, **kwargs)
    while True:
        try:
            value = next(generator)
        except StopIteration:
            results.put(("end", None))
            return
        except Exception as reason:
            results.put(("exception", type(reason).__name__))
            return
        try:
            results.put(("value", value))
        except PicklingError as reason:
            results.put(("exception", type(reason).__name__))
            return
