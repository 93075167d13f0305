"""What an open page asks for every few seconds: has anything changed, and how far is what runs; cheap by construction.

Gradio's own events touch every panel of the page, which is dear when many look on. So a page polls here, by a token that stands
for who looks at what, and fires an event only when jobs came, went or changed their state. What is told of a running job is
made once, however many look on.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ui.views import jobs
from unlearn.jobs import Job, Running
from unlearn.jobs.states import Watch

if TYPE_CHECKING:
    from ui.server.service import Service

MAX_TOKENS = 20_000
MAX_KEPT = 64  # sentences and panels, of the latest versions of jobs
OWN_PAUSE_MS, PAUSE_MS = 2000, 5000


@lru_cache(maxsize=8)
def pulses_of(service: Service) -> Pulses:
    """The tokens of a server; the same for all who ask."""
    return Pulses(service)


class Pulses:
    """The tokens of one server. They are lost with it; a page with an unknown one is told to ask for everything again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._viewers: dict[str, tuple[str, str]] = {}  # token -> owner, key
        self._tokens: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[str, int, str], str] = {}  # job, version, what -> HTML or a sentence

    def token(self, owner: str, key: str) -> str:
        """The token of somebody who looks at a job or the prepared example."""
        with self._lock:
            found = self._tokens.get((owner, key))
            if found is None:
                found = secrets.token_urlsafe(16)
                self._tokens[owner, key] = found
                self._viewers[found] = (owner, key)
                if len(self._tokens) > MAX_TOKENS:
                    self._viewers.pop(self._tokens.pop(next(iter(self._tokens))), None)
            return found

    @staticmethod
    def mark(key: str, structure: str) -> str:
        """Stands for the jobs, states and places that a page shows."""
        return hashlib.blake2b(f"{key}:{structure}".encode(), digest_size=8).hexdigest()

    @staticmethod
    def pause_ms(watch: Watch) -> int:
        """How long a page waits before it asks (again): less while something of its own runs or is next."""
        return OWN_PAUSE_MS if watch.own_turn else PAUSE_MS

    def beat(self, token: str, seen: str) -> dict[str, Any]:
        """What a page is told.

        Args:
            token: of `token`.
            seen: the progress that the page has shown already.

        Returns:
            {mark, progress}; where the progress is another, also the job's panel as HTML, and sentences on running questions
            by their ids.
        """
        viewer = self._viewers.get(token)
        if viewer is None:
            return {"mark": "", "progress": 0}
        owner, key = viewer
        watch = self._service.jobs.store.watch(owner, key)
        told: dict[str, Any] = {"mark": self.mark(key, watch.structure), "progress": watch.progress}
        if str(watch.progress) == seen or not watch.running:
            return told
        parts = {job: version for job, version in watch.running.items() if job != key}
        told["notes"] = {job: self._once(job, version, "note", jobs.small_job) for job, version in parts.items()}
        if key in watch.running and self._service.forget_job(key) is not None:
            what = "own panel" if watch.is_owner else "panel"
            told["job"] = self._once(key, watch.running[key], what, lambda job: self._panel(job, watch.is_owner))
        return told

    def _panel(self, job: Job, own: bool) -> str:
        return jobs.job_panel(job, self._service.jobs.store.losses(job.id), own)

    def _once(self, job_id: str, version: int, what: str, make: Callable[[Job], str]) -> str:
        """Something said of a running job, made once a version; empty when it has ended meanwhile."""
        which = (job_id, version, what)
        if (kept := self._kept.get(which)) is None:
            job = self._service.job(job_id)
            kept = make(job) if job is not None and isinstance(job.state, Running) else ""
            with self._lock:
                self._kept[which] = kept
                while len(self._kept) > MAX_KEPT:
                    self._kept.pop(next(iter(self._kept)))
        return kept
