"""The server's options from flags and environment, besides `Settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unlearn.cluster.ray_worker import RemoteLanes
from unlearn.errors import ConfigError
from unlearn.jobs import JobLimits, ZeroGpu

PREPARED_DIR = Path(__file__).resolve().parent.parent.parent / "assets" / "prepared"


@dataclass(frozen=True)
class Options:
    """How the page is served.

    Attributes:
        model_set: the set that the page starts with.
        notice: a sentence at the head of the page about that set; "": none.
        limits: of the queue, and how long results are kept.
        max_persons: names that one job may forget.
        prepared_dir: folder of run folders that are shown as prepared examples.
        backend: module with the functions of `ui.worker.tasks`; tests give another.
        zero: on a Space with ZeroGPU hardware, what lends jobs its GPU.
        devices: that jobs run on at the same time, a job on each; none: on that of the settings.
        max_rooms: rooms in which phones vote that may be open at the same time; 0: none.
        remote: lanes on a cluster, which are closed by whoever made them; None: jobs run on this machine.
    """

    model_set: str = "embedded"
    notice: str = ""
    limits: JobLimits = field(default_factory=JobLimits)
    max_persons: int = 64
    prepared_dir: Path = PREPARED_DIR
    backend: str = "ui.worker.tasks"
    zero: ZeroGpu | None = None
    devices: tuple[str, ...] = ()
    remote: RemoteLanes | None = None
    max_rooms: int = 8

    def __post_init__(self) -> None:
        if self.max_persons < 1:
            raise ConfigError(f"max_persons is {self.max_persons}; use 1 or more.")
        if self.zero is not None and len(self.devices) > 1:
            raise ConfigError(f"device is {','.join(self.devices)!r}; on ZeroGPU hardware, which lends one GPU at a time, use auto.")
