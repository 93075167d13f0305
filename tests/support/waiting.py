"""Waiting for what another thread or process does; the machine may be busy, so limits are generous."""

from __future__ import annotations

import time
from collections.abc import Callable

from unlearn.jobs import Job, Jobs, Running

WITHIN_S = 60.0  # for a worker to start on a busy machine


def until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Return as soon as the condition holds; fail where it does not hold in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def until_at_work(jobs: Jobs, *at_work: Job, within_s: float = WITHIN_S) -> None:
    """Return as soon as the work on all of these jobs has made a step."""
    until(lambda: all(isinstance(state := jobs.get(job.id).state, Running) and state.step > 0 for job in at_work), within_s)
