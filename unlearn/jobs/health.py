"""Whether the lanes work, as frozen values that may be shown to anybody: no id, name, path or text of a foreign error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LaneHealth:
    """One lane.

    Attributes:
        lane: its name: that of its queue, with a number where the queue has several.
        queue: whose jobs it takes.
        device: that its work runs on.
        is_alive: its thread runs.
        has_worker: its worker process runs; False is well, too: one is started when there is work.
        is_busy: it works on a job.
        trouble: what keeps it from going on just now, a sentence; empty when nothing does.
        since: when that began, in seconds since the epoch, or None.
    """

    lane: str
    queue: str
    device: str
    is_alive: bool
    has_worker: bool
    is_busy: bool
    trouble: str
    since: float | None

    @property
    def is_well(self) -> bool:
        """True when jobs of this lane are worked on."""
        return self.is_alive and not self.trouble


@dataclass(frozen=True)
class Health:
    """All lanes, and sentences on what happened to the list of jobs when it was opened (`notes`)."""

    lanes: tuple[LaneHealth, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """True when every queue has a lane that is well: its jobs are worked on."""
        return {lane.queue for lane in self.lanes} == {lane.queue for lane in self.lanes if lane.is_well}


def reason_of(error: BaseException) -> str:
    """An error in a few words that hold no value: the system's own words for an OSError, else the kind."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or type(error).__name__
