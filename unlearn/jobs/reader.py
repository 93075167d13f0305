"""Reads the list of jobs; changes nothing.

What pages and lanes ask over and over is answered from memory until a job comes, goes or changes its state. How a job ended is kept
in memory until it is written, whatever happens to the file meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import queries
from unlearn.jobs.answers import Answers
from unlearn.jobs.database import BUSY_TIMEOUT_S, Database
from unlearn.jobs.endings import Ending
from unlearn.jobs.running import RunningJobs
from unlearn.jobs.states import Job, Watch
from unlearn.jobs.tables import JobRow, LossRow, job_of


class JobReader:
    """The table of jobs as it is read. Methods raise `UnlearnError` when the file cannot be read."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._running, self._answers = RunningJobs(), Answers()
        self._endings: dict[str, Ending] = {}  # not written yet
        self.is_unerased = True  # something deleted may still be on the disk; an earlier server may have left it
        self._database = Database(path, busy_timeout_s)
        self._engine = self._database.engine
        self.notes = self._database.notes

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    @contextmanager
    def _session(self, write: bool = False, only_progress: bool = False) -> Iterator[Session]:
        """One transaction; writers take turns."""
        try:
            with self._database.session(write) as session:
                yield session
        finally:
            if write and not only_progress:  # also after an error, which may come after the change
                self._answers.forget()

    def _job(self, session: Session, row: JobRow, endings: Mapping[str, Ending]) -> Job:
        """The job of a row, ended where its end is known but not written yet.

        `endings` are those of before the row was read: one that has been written since is no longer among the kept ones, while
        the row is still the one from before.
        """
        job = job_of(row, queries.position(session, row), self._running.elapsed_s(row.id))
        ending = endings.get(row.id)
        return job if ending is None or job.ended else ending.of(job)

    def get(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            InputError: there is none (any more).
        """
        endings = dict(self._endings)
        with self._session() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise InputError("There is no such job; it may have been deleted, or the link is incomplete.")
            return self._job(session, row, endings)

    def find(
        self, *, owner: str | None = None, parent: str | None = None, group: str | None = None,
        job_id: str | None = None,
    ) -> list[Job]:  # fmt: skip
        """The jobs of an owner, a parent, a group or an id; newest first."""
        query = select(JobRow).order_by(queries.IN_ORDER.desc())
        columns = ((JobRow.owner, owner), (JobRow.parent, parent), (JobRow.group, group), (JobRow.id, job_id))
        for column, value in columns:
            if value is not None:
                query = query.where(column == value)
        endings = dict(self._endings)
        with self._session() as session:
            return [self._job(session, row, endings) for row in session.exec(query)]

    def watch(self, owner: str, job_id: str) -> Watch:
        """What a page that polls must know about an owner's jobs, a job and its parts; cheap."""
        watch = self._answers.once(("watch", owner, job_id), lambda: self._watch(owner, job_id))
        return replace(watch, running={running_id: self._running.version(running_id) for running_id in watch.running})

    def _watch(self, owner: str, job_id: str) -> Watch:
        with self._session() as session:
            return queries.watched(session, owner, job_id)

    def losses(self, job_id: str) -> list[dict[str, Any]]:
        """Rows {"encoder", "step" (of this encoder), loss name: value...} reported so far, in the order of the steps."""
        if (live := self._running.losses(job_id)) is not None:
            return live
        query = select(LossRow.step, LossRow.losses).where(LossRow.job == job_id).order_by(col(LossRow.id))
        with self._session() as session:
            return [{"step": step, **losses} for step, losses in session.exec(query)]

    def n_waiting(self, lane: str) -> int:
        """How many jobs of the lane wait; lanes ask all the time."""
        return self._answers.once(("waiting", lane), lambda: self._n_waiting(lane))

    def _n_waiting(self, lane: str) -> int:
        with self._session() as session:
            return queries.n_waiting(session, lane=lane)

    def _running_rows(self, lane: str) -> list[str]:
        with self._session() as session:
            return queries.running(session, lane)

    def cancel_requested(self, job_id: str) -> bool:
        """True when somebody asked the job to stop, or deleted it; lanes ask ten times a second."""
        return self._running.is_unwanted(job_id) or self._answers.once(("cancel", job_id), lambda: self._cancel_requested(job_id))

    def _cancel_requested(self, job_id: str) -> bool:
        with self._session() as session:
            is_requested = session.exec(select(JobRow.cancel_requested).where(JobRow.id == job_id)).first()
        return is_requested is None or is_requested

    def _has_ended(self, job_id: str) -> bool:
        """True when the job is known to have ended or to be gone; a file that cannot be read does not tell."""
        try:
            return self.get(job_id).ended
        except InputError:
            return True
        except UnlearnError:
            return False
