"""How a server works on jobs: how many it takes on, for how long, and what their work is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unlearn.jobs.workers import MakeWorker
from unlearn.jobs.zero import ZeroGpu


@dataclass(frozen=True)
class JobLimits:
    """How much the server takes on.

    Attributes:
        max_waiting: jobs that one owner may have waiting in a queue.
        retention_s: ended jobs are deleted after this many seconds; None keeps them.
        niceness: added to the workers' scheduling priority, so that the page answers while they compute.
        max_queued: jobs that all owners together may have waiting.
        max_run_s: a job of the first queue, which is the one for long work, is stopped after this many seconds; None: never.
        max_quick_run_s: the same for the other queues.
    """

    max_waiting: int = 8
    retention_s: float | None = 24 * 3600.0
    niceness: int = 5
    max_queued: int = 100
    max_run_s: float | None = 4 * 3600.0  # a full-size run with portraits takes hours where there is no GPU
    max_quick_run_s: float | None = 30 * 60.0


@dataclass(frozen=True)
class WorkerSetup:
    """How the work is done, wherever it runs.

    Attributes:
        settings: of the server, as plain values; every task carries them, and the work validates them.
        warm_up: "module:function" run first in a worker with these settings, to import what is slow to import; None: nothing.
        zero: where the platform lends the GPU; None: workers are processes of our own.
        remote: makes workers on other machines; None: they are on this one.
        devices: each queue has a lane for each of them, whose work runs there; none: one lane, on the device of the settings.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    warm_up: str | None = None
    zero: ZeroGpu | None = None
    devices: tuple[str, ...] = ()
    remote: MakeWorker | None = None

    def settings_on(self, device: str | None) -> dict[str, Any]:
        """The settings of work on one of the devices; None: on that of the settings."""
        return self.settings if device is None else {**self.settings, "device": device}
