"""A job and its state, as frozen values.

A job is always exactly one of `Queued | Running | Succeeded | Failed | Cancelled | Interrupted`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Queued:
    """Waiting; `position` counts from 1 within the job's lane, in the order in which visitors take turns."""

    position: int


@dataclass(frozen=True)
class Running:
    """At work: `step` of `total`, what it does, and an estimate of the rest in seconds (None: not known yet)."""

    step: int
    total: int
    note: str
    seconds_left: float | None = None


@dataclass(frozen=True)
class Succeeded:
    """Done; `result` is what the work returned, a JSON object."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """Ended by an error: a sentence for the user, and details for developers (places in the code, no values)."""

    message: str
    details: str = ""


@dataclass(frozen=True)
class Cancelled:
    """Stopped on request, at this step."""

    step: int


@dataclass(frozen=True)
class Interrupted:
    """The server stopped while the job ran; it can be run again."""


State = Queued | Running | Succeeded | Failed | Cancelled | Interrupted


@dataclass(frozen=True)
class Submission:
    """A piece of work that somebody wants done.

    Attributes:
        lane: name of the queue.
        work: "package.module:function", see `jobs.tasks.Work`.
        request: the function's argument, a JSON object.
        owner: whose turn it takes.
        parent, group: as of `Job`.
        must_leave: name of the file that the work writes last; without it in the job's folder the work has failed.
        keep_s: the job is deleted so many seconds after its end, if that is sooner than other jobs; while it is part of another job,
            it stays as long as that one.
        keeps_inputs: the files that it is given are still needed once it has succeeded; they go with the job, when it becomes part
            of another, or within the hour.
    """

    lane: str
    work: str
    request: dict[str, Any]
    owner: str
    parent: str | None = None
    group: str | None = None
    must_leave: str | None = None
    keep_s: float | None = None
    keeps_inputs: bool = False


@dataclass(frozen=True)
class Job:
    """One piece of work and where it stands.

    Attributes:
        id: unguessable; whoever knows it may look at the job.
        owner: whose job it is (a visitor's token); the queue takes turns between owners.
        lane: name of the queue and worker it belongs to.
        work: dotted name of the function, "package.module:function".
        request: the function's argument, a JSON object.
        parent: id of the job that this one builds on and is deleted with; None for a job of its own.
        group: common mark of jobs that were started together to be compared, or None.
        created, started, finished: seconds since the epoch; None: not yet.
        version: grows with every change, so that a watcher can tell whether anything is new.
        must_leave: name of the file in the job's folder without which the work has not succeeded, or None.
        run_s: how long it ran by a clock that nobody sets; None: it has not ended, or never ran.
        keep_s: seconds after its end when it is deleted, if that is sooner than for others and it is part of no other job.
        had_inputs: it was given files; they are deleted once it has succeeded, unless `keeps_inputs`.
    """

    id: str
    owner: str
    lane: str
    work: str
    request: dict[str, Any]
    parent: str | None
    group: str | None
    created: float
    started: float | None
    finished: float | None
    state: State
    version: int
    must_leave: str | None = None
    run_s: float | None = None
    keep_s: float | None = None
    had_inputs: bool = False
    keeps_inputs: bool = False

    @property
    def ended(self) -> bool:
        """True when the job will not change any more."""
        return not isinstance(self.state, Queued | Running)

    @property
    def run_time_s(self) -> float | None:
        """Seconds between start and end, never negative; None while it has not both."""
        if self.run_s is not None:
            return self.run_s
        if self.started is None or self.finished is None:
            return None
        return max(0.0, self.finished - self.started)  # interrupted, or of an earlier version: only the wall clock knows


@dataclass(frozen=True)
class Watch:
    """What a page that polls needs to know.

    Attributes:
        structure: another one when a job came, went, or is in another state or place.
        running: the versions of the jobs that run, by their ids.
        active: some job waits or runs.
        is_owner: the job looked at is active and the watcher's own.
        own_turn: one of the watcher's own jobs runs or is next.
    """

    structure: str
    running: Mapping[str, int]
    active: bool
    is_owner: bool
    own_turn: bool

    @property
    def progress(self) -> int:
        """Grows while a job runs."""
        return sum(self.running.values())


@dataclass(frozen=True)
class Deleted:
    """What `delete` removed; it raises unless nothing is left."""

    n_jobs: int
    n_files: int
    n_bytes: int


def fair_order(queued: Iterable[tuple[str, str]], last_served: Mapping[str, float]) -> list[str]:
    """The order in which waiting jobs are run, when owners take turns.

    Args:
        queued: (id, owner) of the waiting jobs, oldest first.
        last_served: when an owner's latest job was started; who is missing was never served.

    Returns:
        The ids: always the oldest job of the owner who has waited longest for a turn, ties to the oldest job.
    """
    waiting: dict[str, list[str]] = {}
    for job_id, owner in queued:
        waiting.setdefault(owner, []).append(job_id)
    turns = {owner: last_served.get(owner, float("-inf")) for owner in waiting}
    now = max([0.0, *last_served.values()])
    order: list[str] = []
    while waiting:
        owner = min(waiting, key=lambda name: turns[name])  # insertion order settles ties: the oldest job
        order.append(waiting[owner].pop(0))
        now += 1.0
        turns[owner] = now
        if not waiting[owner]:
            del waiting[owner]
    return order
