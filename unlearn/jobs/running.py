"""What the server keeps in memory about the jobs that run: their clocks, their latest version, their losses, the wish to stop them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any


class RunningJobs:
    """The jobs that run and those that have ended since the server started; times are of a clock that nobody sets."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._versions: dict[str, int] = {}
        self._losses: dict[str, list[dict[str, Any]]] = {}  # pages ask for them every second
        self._unwanted: set[str] = set()

    def begin(self, job_id: str, version: int) -> None:
        """The job runs from now on."""
        self._began[job_id], self._versions[job_id] = time.monotonic(), version

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._began

    def elapsed_s(self, job_id: str) -> float | None:
        """How long the job has been running; None where it does not run."""
        began = self._began.get(job_id)
        return None if began is None else time.monotonic() - began

    def end(self, job_id: str) -> None:
        """The job has ended now."""
        self._began.pop(job_id, None)
        self._ended[job_id] = time.monotonic()
        self._unwanted.discard(job_id)

    def ages_s(self) -> dict[str, float]:
        """How long ago jobs ended."""
        now = time.monotonic()
        return {job_id: now - ended for job_id, ended in list(self._ended.items())}

    def want_stopped(self, job_id: str) -> None:
        """Somebody wants the job to stop."""
        self._unwanted.add(job_id)

    def is_unwanted(self, job_id: str) -> bool:
        """Whether somebody wants the job to stop."""
        return job_id in self._unwanted

    def version(self, job_id: str) -> int:
        """The latest version of the job; 0 where it is not known."""
        return self._versions.get(job_id, 0)

    def progressed(self, job_id: str, version: int) -> None:
        """The job has a new version."""
        self._versions[job_id] = version

    def add_losses(self, job_id: str, losses: Iterable[dict[str, Any]]) -> None:
        """Append rows of losses."""
        self._losses.setdefault(job_id, []).extend(losses)

    def losses(self, job_id: str) -> list[dict[str, Any]] | None:
        """The rows so far; None where they are only in the file."""
        rows = self._losses.get(job_id)
        return None if rows is None else list(rows)

    def written(self, job_id: str) -> None:
        """The job's end is in the file, which tells version and losses from now on."""
        self._losses.pop(job_id, None)
        self._versions.pop(job_id, None)

    def forget(self, job_ids: Iterable[str]) -> None:
        """The jobs are gone."""
        for job_id in job_ids:
            self._ended.pop(job_id, None)
