"""What an open page asks for every other second: has anything changed, and how far is what runs; cheap by construction.

Gradio's own events touch every panel of the page, which is dear when many look on. So a page polls here, by a token that stands
for who looks at what, and fires an event only when jobs came, went or changed their state. Knows no Gradio and no model.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING, Any

from ui import views
from unlearn.jobs import Job, Running

if TYPE_CHECKING:
    from ui.service import Service

MAX_TOKENS = 20_000
MAX_KEPT = 64  # progress as HTML, of the latest versions of jobs


class Pulses:
    """The tokens of one server. They are lost with it; a page with an unknown one is told to ask for everything again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._viewers: dict[str, tuple[str, str]] = {}  # token -> owner, key
        self._tokens: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[str, int, bool], str] = {}

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
        if str(watch.progress) == seen or not watch.active:
            return told
        running = [one for one in self._service.jobs.store.find(active_of=(owner, key)) if isinstance(one.state, Running)]
        for job in running:
            if job.id == key:
                told["job"] = self._panel(job, job.owner == owner)
        return {**told, "notes": {job.id: views.small_job(job) for job in running}}

    def _panel(self, job: Job, own: bool) -> str:
        """The job's panel; made once a version, however many look on."""
        which = (job.id, job.version, own)
        if (kept := self._kept.get(which)) is None:
            kept = views.job_panel(job, self._service.jobs.store.losses(job.id), own)
            with self._lock:
                self._kept[which] = kept
                while len(self._kept) > MAX_KEPT:
                    self._kept.pop(next(iter(self._kept)))
        return kept
