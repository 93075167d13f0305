"""Events that submit jobs on ZeroGPU hardware: they run in Gradio's queue and stay until the jobs are under way.

The browser sends the token that says whose GPU time to take with queued events only, and the platform shows its own notes
("waiting for a GPU") for as long as the event lasts. Everywhere else the page's events skip that queue.
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
LONGEST_S = 90.0  # the platform gives up waiting for a GPU after 60; jobs that wait for others of ours go on without the event
TWICE_S = 1.0  # the same pressed again so soon is one press
# Any number at a time: each mostly waits. A press counts while an earlier one of the same button waits.
OPTIONS: dict[str, Any] = {"queue": True, "concurrency_limit": None, "trigger_mode": "multiple"}

Answer = Callable[..., Any]
Refresh = Callable[[Any, Shown, gr.Request], dict[Any, Any]]


def queued(answer: Answer, refresh: Refresh, service: Service, zero: ZeroGpu) -> Callable[..., AsyncIterator[Any]]:
    """A page's event as a generator: what `answer` gives, then what changes until the jobs that it submitted are under way.

    Args:
        answer: the event as it is elsewhere: (memory, shown, request, event, **values) -> values of components.
        refresh: (memory, shown, request) -> values of the components that changed since, as a part of the same answer.
        service: whose jobs they are.
        zero: knows which jobs an event submitted.
    """

    pressed: WeakKeyDictionary[Shown, tuple[str, float]] = WeakKeyDictionary()

    async def run(memory: Any, shown: Shown, request: gr.Request, event: gr.EventData, **values: Any) -> AsyncIterator[Any]:
        # `shown` stays the session's: `answer` and `refresh` take from it what belongs to the page that sent the memory
        what, now = repr((memory, event._data, values)), time.monotonic()
        before, pressed[shown] = pressed.get(shown, ("", 0.0)), (what, now)
        if before[0] == what and now - before[1] < TWICE_S:
            yield await to_thread.run_sync(refresh, memory, shown, request)
            return
        with zero.submissions() as submitted:
            # In a thread, which gets a copy of this context: the visitor's request is in it.
            first = await to_thread.run_sync(lambda: answer(memory, shown, request, event, **values))
        yield first
        left = round(LONGEST_S / LOOK_EVERY_S) if submitted else 0
        while left > 0 and await to_thread.run_sync(_waiting, service, submitted):
            left -= 1
            await asyncio.sleep(LOOK_EVERY_S)
            yield await to_thread.run_sync(refresh, memory, shown, request)
        if submitted:
            yield await to_thread.run_sync(refresh, memory, shown, request)  # they are under way, or have ended

    return run


def _waiting(service: Service, submitted: Sequence[str]) -> bool:
    """Whether one of the jobs is neither under way nor at its end. Running, it may still wait for its GPU: until it first reports."""
    jobs = [service.job(job_id) for job_id in submitted]
    return any(
        isinstance(job.state, Queued) or (isinstance(job.state, Running) and job.state.total == 0) for job in jobs if job is not None
    )
