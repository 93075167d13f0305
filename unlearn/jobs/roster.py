"""The lanes of a server and what each works on: which of them starts a worker, which job a lane may take, which job nobody works on.

A queue has a lane for each device. They take its jobs in one order, whichever is free first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from unlearn.jobs.health import LaneHealth
from unlearn.jobs.states import Job
from unlearn.jobs.store import JobStore


@dataclass
class _Entry:
    """One lane: its queue, how it is, whether it starts a worker just now, and the job that it has taken."""

    queue: str
    health: Callable[[], LaneHealth]
    is_starting: bool = False
    job: Job | None = None

    @property
    def is_ready(self) -> bool:
        """Has a worker and no job."""
        health = self.health()
        return self.job is None and health.is_well and health.has_worker


@dataclass
class Roster:
    """All lanes of a server; their threads may ask at the same time.

    Attributes:
        store: the list of jobs.
        is_shared: workers share the server's files; else each has copies, and no two jobs that are part of the same one run at once,
            because the second one's changes would take the place of the first one's.
    """

    store: JobStore
    is_shared: bool = True
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, lane: str, queue: str, health: Callable[[], LaneHealth]) -> None:
        """Add a lane by its name."""
        self._entries[lane] = _Entry(queue, health)

    @contextmanager
    def starting(self, lane: str) -> Iterator[bool]:
        """Whether a lane without a worker should start one for the jobs that wait; lanes that have one go first."""
        own = self._entries[lane]
        with self._lock:
            others = [entry for entry in self._entries.values() if entry.queue == own.queue and entry is not own]
            n_taking = sum(entry.is_ready or (entry.is_starting and not entry.health().trouble) for entry in others)
            is_needed = own.is_starting = self.store.n_waiting(own.queue) > n_taking
        try:
            yield is_needed
        finally:
            own.is_starting = False

    def is_last(self, lane: str) -> bool:
        """True when no other lane of the queue can work on what waits."""
        own = self._entries[lane]
        return not any(entry.health().is_well for entry in self._entries.values() if entry.queue == own.queue and entry is not own)

    def claim(self, lane: str) -> Job | None:
        """Mark the next job of the lane's queue as running, and the lane as working on it; None when none can be taken."""
        own = self._entries[lane]
        with self._lock:
            own.job = self.store.claim(own.queue, self._busy_parents(own.queue))
        return own.job

    def _busy_parents(self, queue: str) -> frozenset[str]:
        """What the jobs at work are parts of; where files are shared, those of the queue only."""
        jobs = [entry.job for entry in self._entries.values() if not self.is_shared or entry.queue == queue]
        return frozenset(job.parent for job in jobs if job is not None and job.parent is not None)

    def release(self, lane: str) -> None:
        """The lane works on nothing any more."""
        self._entries[lane].job = None

    def fail_lost(self, lane: str) -> None:
        """Fail what the list calls running although no lane of the queue works on it: its worker is gone."""
        queue = self._entries[lane].queue
        with self._lock:
            at_work = frozenset(entry.job.id for entry in self._entries.values() if entry.job is not None)
            self.store.fail_lost(queue, at_work)
