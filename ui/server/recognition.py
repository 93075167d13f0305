"""Whether the original knows the persons in the form: asked as a quick job while the visitor still chooses.

What is stored holds no name. The names lie in the job's inputs, which the work removes before it begins, and in memory until the
visitor's next question.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ui.server import photo_sets
from ui.server.gpu_need import on_cpu
from ui.server.photos import WHO
from ui.server.service import QUICK_LANE, Service
from unlearn.config import Person, name_key
from unlearn.jobs import Job, Queued, Submission
from unlearn.models.sets import find_model_set

KIND = "recognise"
MAX_ASKED = 5  # persons of a question
KEPT_S = 600.0
MAX_VISITORS = 1000


@dataclass(frozen=True)
class Question:
    """The latest question of a visitor.

    Attributes:
        names: of the persons, as they were written.
        asked: places in `names` of those with photos, or who can be drawn, in the order of the job's answer.
        job: None where there is nobody to ask about.
        n_more: persons beyond those that are asked about.
    """

    names: tuple[str, ...]
    asked: tuple[int, ...]
    job: str | None
    n_more: int = 0


@lru_cache(maxsize=8)
def recognition_of(service: Service) -> Recognition:
    """The questions to a server; the same object for all callers."""
    return Recognition(service)


class Recognition:
    """The latest question of each visitor."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._latest: OrderedDict[str, Question] = OrderedDict()
        self._dropped: list[str] = []  # jobs whose questions nobody waits for

    def ask(self, persons: Sequence[Person], owner: str, key: str) -> None:
        """Ask about these persons in the place of the visitor's earlier question.

        Args:
            persons: of the form.
            owner: the visitor.
            key: of the job that the visitor looks at; its photos count.

        Raises:
            UnlearnError: too many jobs are waiting.
        """
        self.drop(owner)
        if not self._is_free:
            return
        sets = {name_key(photos.name): photos for photos in reversed(photo_sets.photo_sets(self._service, owner, key)) if photos.ready}
        known = {name_key(name) for row in self._service.people for name in (row["name"], *row["aliases"])}
        can_draw = find_model_set(self._service.options.model_set).diffusion is not None
        rows, asked, shown = [], [], persons[:MAX_ASKED]
        for number, person in enumerate(shown):
            photos = sets.get(name_key(person.name))
            if can_draw or photos is not None or name_key(person.name) in known:
                rows.append({"name": person.name, "search": None if photos is None else photos.job.id})
                asked.append(number)
        job = self._submit(rows, owner) if rows else None
        with self._lock:
            self._latest[owner] = Question(tuple(person.name for person in shown), tuple(asked), job, len(persons) - len(shown))
            while len(self._latest) > MAX_VISITORS:
                self._latest.popitem(last=False)

    @property
    def _is_free(self) -> bool:
        """False where an answer would be taken from the visitor's daily share of a GPU."""
        options = self._service.options
        return options.zero is None or on_cpu(options.model_set, self._service.settings.device)

    def _submit(self, rows: list[dict[str, Any]], owner: str) -> str:
        options = self._service.options
        with photo_sets.given(self._service) as inputs:
            (inputs / WHO).write_text(json.dumps(rows), encoding="utf-8")
            request = {"kind": KIND, "model_set": options.model_set}
            submission = Submission(QUICK_LANE, f"{options.backend}:{KIND}", request, owner, keep_s=KEPT_S)
            return self._service.jobs.submit(submission, inputs).id

    def drop(self, owner: str) -> None:
        """Forget the visitor's question.

        One that waits is taken back. One at work ends soon, while to start its process anew would take longer; it is deleted at
        the next call of anybody.
        """
        with self._lock:
            question = self._latest.pop(owner, None)
            if question is not None and question.job is not None:
                self._dropped.append(question.job)
            dropped, self._dropped = self._dropped, []
        for job_id in dropped:
            job = self._service.job(job_id)
            if job is not None and (job.ended or isinstance(job.state, Queued)):
                self._service.jobs.delete(job_id)
            elif job is not None:
                with self._lock:
                    self._dropped.append(job_id)

    def latest(self, owner: str) -> tuple[Question, Job | None] | None:
        """The visitor's question and its job; None: nothing was asked, or the answer is not kept any longer."""
        question = self._latest.get(owner)
        if question is None:
            return None
        job = None if question.job is None else self._service.job(question.job)
        return None if job is None and question.job is not None else (question, job)
