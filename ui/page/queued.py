"""Events that submit jobs on ZeroGPU hardware: they run in Gradio's queue and last until the jobs have started.

Only with queued events does the browser send the token that says whose GPU time to take. The platform shows its own notes
("waiting for a GPU") as long as the event lasts. Everywhere else the page's events skip that queue.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr
from anyio import to_thread

from ui.page.shown import Shown
from ui.server.service import Service
from unlearn.jobs import Queued, Running, ZeroGpu

LOOK_EVERY_S = 0.5
LONGEST_S = 90.0  # the platform stops waiting for a GPU after 60; jobs that wait for other jobs go on without the event
TWICE_S = 1.0  # the same button pressed again so soon is one press
# Any number at a time: each mostly waits. A second press counts while the first still waits.
OPTIONS: dict[str, Any] = {"queue": True, "concurrency_limit": None, "trigger_mode": "multiple"}

Answer = Callable[..., Any]
Refresh = Callable[[Any, Shown, gr.Request], dict[Any, Any]]


def queued(answer: Answer, refresh: Refresh, service: Service, zero: ZeroGpu) -> Callable[..., AsyncIterator[Any]]:
    """A page's event as a generator: the answer, then the changes until the jobs that it submitted have started.

    Args:
        answer: the event as used elsewhere: (memory, shown, request, event, **values) -> values of components.
        refresh: (memory, shown, request) -> values of the components that changed since, as a part of the same answer.
        service: of the jobs.
        zero: tells which jobs an event submitted.
    """

    pressed: WeakKeyDictionary[Shown, tuple[str, float]] = WeakKeyDictionary()

    async def run(memory: Any, shown: Shown, request: gr.Request, event: gr.EventData, **values: Any) -> AsyncIterator[Any]:
        # `shown` is the session's: `answer` and `refresh` take from it the part of the page that sent the memory
        press, now = repr((memory, event._data, values)), time.monotonic()
        previous, pressed[shown] = pressed.get(shown, ("", 0.0)), (press, now)
        if previous[0] == press and now - previous[1] < TWICE_S:
            yield await to_thread.run_sync(refresh, memory, shown, request)
            return
        with zero.submissions() as submitted:
            # In a thread, which gets a copy of this context with the visitor's request.
            first = await to_thread.run_sync(lambda: answer(memory, shown, request, event, **values))
        yield first
        left = round(LONGEST_S / LOOK_EVERY_S) if submitted else 0
        while left > 0 and await to_thread.run_sync(_waiting, service, submitted):
            left -= 1
            await asyncio.sleep(LOOK_EVERY_S)
            yield await to_thread.run_sync(refresh, memory, shown, request)
        if submitted:
            yield await to_thread.run_sync(refresh, memory, shown, request)  # they have started, or have ended

    return run


def _waiting(service: Service, submitted: Sequence[str]) -> bool:
    """Whether one of the jobs has not started yet. A running one may still wait for its GPU, until it first reports."""
    jobs = [service.job(job_id) for job_id in submitted]
    return any(
        isinstance(job.state, Queued) or (isinstance(job.state, Running) and job.state.total == 0) for job in jobs if job is not None
    )
