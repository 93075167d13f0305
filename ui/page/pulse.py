"""What an open page asks for every few seconds: whether anything changed, and the progress of running jobs.

Gradio's own events touch every panel of the page, which is expensive with many viewers. So a page polls here, by a token that stands
for the viewer and the job, and fires an event only when jobs were added, removed or changed their state. The HTML of a running job
is rendered once, however many view it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ui.server.so_far import evidence_of
from ui.views import jobs, so_far
from unlearn.jobs import Job, Running
from unlearn.jobs.states import Watch

if TYPE_CHECKING:
    from ui.server.service import Service

MAX_TOKENS = 20_000
MAX_KEPT = 64  # sentences and panels, of the latest versions of jobs
OWN_PAUSE_MS, PAUSE_MS = 2000, 5000


@lru_cache(maxsize=8)
def pulses_of(service: Service) -> Pulses:
    """The tokens of a server; the same object for all callers."""
    return Pulses(service)


class Pulses:
    """The tokens of one server. They are lost when it stops; a page with an unknown one asks for everything again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._viewers: dict[str, tuple[str, str]] = {}  # token -> owner, key
        self._tokens: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[str, int, str], str] = {}  # job, version, kind -> HTML or a sentence

    def token(self, owner: str, key: str) -> str:
        """The token of a viewer of a job or of the prepared example."""
        with self._lock:
            token = self._tokens.get((owner, key))
            if token is None:
                token = secrets.token_urlsafe(16)
                self._tokens[owner, key] = token
                self._viewers[token] = (owner, key)
                if len(self._tokens) > MAX_TOKENS:
                    self._viewers.pop(self._tokens.pop(next(iter(self._tokens))), None)
            return token

    @staticmethod
    def mark(key: str, structure: str) -> str:
        """A digest of the jobs, states and queue positions that a page shows."""
        return hashlib.blake2b(f"{key}:{structure}".encode(), digest_size=8).hexdigest()

    @staticmethod
    def pause_ms(watch: Watch) -> int:
        """How long a page waits between two requests: less while a job of its own runs or is next."""
        return OWN_PAUSE_MS if watch.own_turn else PAUSE_MS

    def beat(self, token: str, shown: str) -> dict[str, Any]:
        """News for a page.

        Args:
            token: of `token`.
            shown: the progress that the page shows already.

        Returns:
            {mark, progress}; if the progress differs from `shown`, also the job's panel and what is known of it so far as HTML, and
            sentences on running questions by their ids.
        """
        viewer = self._viewers.get(token)
        if viewer is None:
            return {"mark": "", "progress": 0}
        owner, key = viewer
        watch = self._service.jobs.store.watch(owner, key)
        news: dict[str, Any] = {"mark": self.mark(key, watch.structure), "progress": watch.progress}
        if str(watch.progress) == shown or not watch.running:
            return news
        questions = {job: version for job, version in watch.running.items() if job != key}
        news["notes"] = {job: self._once(job, version, "note", jobs.small_job) for job, version in questions.items()}
        if key in watch.running and self._service.forget_job(key) is not None:
            kind = "own panel" if watch.is_owner else "panel"
            news["job"] = self._once(key, watch.running[key], kind, lambda job: self._panel(job, watch.is_owner))
            news["so_far"] = self._once(key, watch.running[key], "so far", lambda job: so_far.running(job, evidence_of(self._service, job)))
        return news

    def _panel(self, job: Job, own: bool) -> str:
        return jobs.job_panel(job, self._service.jobs.store.losses(job.id), own)

    def _once(self, job_id: str, version: int, kind: str, make: Callable[[Job], str]) -> str:
        """HTML or a sentence about a running job, made once per version; empty when the job has ended meanwhile."""
        which = (job_id, version, kind)
        if (kept := self._kept.get(which)) is None:
            job = self._service.job(job_id)
            kept = make(job) if job is not None and isinstance(job.state, Running) else ""
            with self._lock:
                self._kept[which] = kept
                while len(self._kept) > MAX_KEPT:
                    self._kept.pop(next(iter(self._kept)))
        return kept
