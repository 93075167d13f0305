"""Jobs in an SQLite table that outlives the server.

All changes of a job's state are made here, each in one transaction. One server process owns the file; its
threads may call at the same time. What pages and lanes ask over and over is answered from memory until a job comes, goes or
changes its state. How a job ended is kept in memory until it is written, whatever happens to the file meanwhile; so is the
wish to cancel what runs. Deleted rows are overwritten on disk (`secure_delete`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import Session, col, delete, select, update

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import queries
from unlearn.jobs.database import BUSY_TIMEOUT_S, Database
from unlearn.jobs.endings import Ending
from unlearn.jobs.states import Cancelled, Failed, Job, State, Watch
from unlearn.jobs.tables import JobRow, LossRow, job_of
from unlearn.progress import Progress

MAX_ANSWERS = 20_000
LOST = "The work on this was lost, because the list of jobs could not be used. Run it again."
UNERASED = (
    "It was removed from the list of jobs, but another program reads the file of the list, so that its entries are still on the "
    "disk. The server goes on trying to overwrite them; whoever runs it should close that program."
)
ERASE_WITHIN_S = 5.0
UNSTORABLE = "The result of this work cannot be stored in the list of jobs. Run it again; if it fails again, report it."

T = TypeVar("T")


class JobStore:
    """The table of jobs. Methods raise `UnlearnError` when the file cannot be read or written."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._live_losses: dict[str, list[dict[str, Any]]] = {}  # of running jobs, which pages ask for every second
        self._versions: dict[str, int] = {}  # of running jobs
        self._answers: dict[tuple[str, ...], Any] = {}  # see `_once`
        self._begun: dict[str, float] = {}  # running jobs -> when, by a clock that nobody sets
        self._endings: dict[str, Ending] = {}  # not written yet
        self._unwanted: set[str] = set()  # running jobs that shall stop
        self._ended_at: dict[str, float] = {}  # jobs that ended since the start -> when, by a clock that nobody sets
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
                self._answers = {}  # a new one: who asked before the change puts the answer into the old one

    def _job(self, session: Session, row: JobRow, endings: Mapping[str, Ending]) -> Job:
        """The job of a row, ended where its end is known but not written yet.

        `endings` are those of before the row was read: one that has been written since is no longer among the kept ones, while
        the row is still the one from before.
        """
        begun = self._begun.get(row.id)
        job = job_of(row, queries.position(session, row), None if begun is None else time.monotonic() - begun)
        ending = endings.get(row.id)
        return job if ending is None or job.ended else ending.of(job)

    def _once(self, question: tuple[str, ...], ask: Callable[[], T]) -> T:
        """The answer to a question that progress does not change; asked of the file once between other changes."""
        answers = self._answers
        if question in answers:
            kept: T = answers[question]
            return kept
        answer = ask()
        if len(answers) < MAX_ANSWERS:
            answers[question] = answer
        return answer

    def add(self, job: JobRow, max_waiting: int, max_queued: int | None = None) -> Job:
        """Store a new waiting job.

        Raises:
            InputError: the owner has `max_waiting` jobs waiting in this lane already, or everybody together `max_queued`.
        """
        with self._session(write=True) as session:
            if (own := queries.n_waiting(session, job.owner, job.lane)) >= max_waiting:
                raise InputError(f"You have {own} jobs waiting already; wait for one or cancel one.")
            if max_queued is not None and (n := queries.n_waiting(session)) >= max_queued:
                raise InputError(f"{n} jobs are waiting already, as many as this server takes on; try again later.")
            session.add(job)
        return self.get(job.id)

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
        watch = self._once(("watch", owner, job_id), lambda: self._watch(owner, job_id))
        return replace(watch, running={one: self._versions.get(one, 0) for one in watch.running})

    def _watch(self, owner: str, job_id: str) -> Watch:
        with self._session() as session:
            return queries.watched(session, owner, job_id)

    def losses(self, job_id: str) -> list[dict[str, Any]]:
        """Rows {"encoder", "step" (of this encoder), loss name: value...} reported so far, in the order of the steps."""
        if (live := self._live_losses.get(job_id)) is not None:
            return list(live)
        query = select(LossRow.step, LossRow.losses).where(LossRow.job == job_id).order_by(col(LossRow.id))
        with self._session() as session:
            return [{"step": step, **losses} for step, losses in session.exec(query)]

    def any_waiting(self, lane: str) -> bool:
        """True when the lane has a job to do; lanes ask all the time."""
        return self._once(("waiting", lane), lambda: self._any_waiting(lane))

    def _any_waiting(self, lane: str) -> bool:
        with self._session() as session:
            return bool(queries.waiting(session, lane))

    def claim(self, lane: str) -> Job | None:
        """Mark the next waiting job of the lane as running and return it; None when nobody waits."""
        if not self.any_waiting(lane):
            return None
        with self._session(write=True) as session:
            waiting = [job_id for job_id in queries.waiting(session, lane) if job_id not in self._endings]
            row = session.get(JobRow, waiting[0]) if waiting else None
            if row is None:
                return None
            row.state, row.started, row.note = "running", time.time(), "Starting"
            row.turn = queries.next_turn(session)
            row.version += 1
            session.add(row)
        self._begun[row.id] = time.monotonic()
        self._versions[row.id] = row.version
        return job_of(row, 0, 0.0)

    def fail_lost(self, lane: str) -> None:
        """Fail what the list calls running although the lane, which asks, works on nothing: its worker is gone."""
        for job_id in self._once(("lost", lane), lambda: self._running(lane)):
            if job_id not in self._endings:
                self.finish(job_id, Failed(LOST))

    def _running(self, lane: str) -> list[str]:
        with self._session() as session:
            return queries.running(session, lane)

    def progress(self, job_id: str, progress: Progress, losses: Sequence[tuple[int, dict[str, float]]] = ()) -> None:
        """Store how far a running job is, and the losses of the steps since the last call."""
        with self._session(write=True, only_progress=True) as session:
            row = session.get(JobRow, job_id)
            if row is None or row.state != "running":
                return
            row.step, row.total, row.note = progress.step, progress.total, progress.note
            row.version += 1
            session.add(row)
            session.add_all(LossRow(job=job_id, step=step, losses=values) for step, values in losses)
        self._versions[job_id] = row.version
        self._tell(job_id, losses)

    def _tell(self, job_id: str, losses: Sequence[tuple[int, dict[str, float]]]) -> None:
        self._live_losses.setdefault(job_id, []).extend({"step": step, **values} for step, values in losses)

    def finish(
        self, job_id: str, state: State, progress: Progress | None = None, losses: Sequence[tuple[int, dict[str, float]]] = ()
    ) -> None:
        """Store the end of a job that was running or waiting; one that has ended already stays as it is.

        Where the file cannot be written, the end is kept and holds all the same: `write_endings` tries again.
        """
        begun = self._begun.pop(job_id, None)
        run_s = None if begun is None else time.monotonic() - begun
        if losses:
            self._tell(job_id, losses)  # before the end is: until it is written, the file lacks them
        self._endings[job_id] = Ending(state, time.time(), run_s, progress, tuple(losses))
        self._ended_at[job_id] = time.monotonic()
        self._unwanted.discard(job_id)
        self._answers = {}
        self.write_endings()

    def write_endings(self) -> None:
        """Write the ends that could not be written before."""
        for job_id, ending in list(self._endings.items()):
            try:
                self._write_ending(job_id, ending)
            except InputError:  # nothing that is tried again later
                self._write_ending(job_id, replace(ending, state=Failed(UNSTORABLE), progress=None, losses=()))
            for kept in (self._live_losses, self._versions, self._endings):
                kept.pop(job_id, None)

    def _write_ending(self, job_id: str, ending: Ending) -> None:
        with self._session(write=True) as session:
            row = session.get(JobRow, job_id)
            if row is not None and row.state in ("queued", "running"):
                if ending.fill(row):
                    self.is_unerased = True
                session.add(row)
                session.add_all(LossRow(job=job_id, step=step, losses=values) for step, values in ending.losses)

    def set_parent(self, job_id: str, parent: str) -> None:
        """Make a job part of another, to be shown and deleted with it."""
        with self._session(write=True) as session:
            session.exec(update(JobRow).where(col(JobRow.id) == job_id).values(parent=parent, version=JobRow.version + 1))

    def request_cancel(self, job_id: str) -> bool:
        """Cancel a waiting job at once, ask a running one to stop; False when it had ended.

        A file that cannot be written delays only what is told of it: the wish itself is kept in memory.
        """
        if job_id in self._begun:
            self._unwanted.add(job_id)
        try:
            return self._write_cancel(job_id)
        except UnlearnError:
            if self._has_ended(job_id):
                return False
            if job_id in self._begun:
                self._unwanted.add(job_id)
            else:
                self._endings[job_id] = Ending(Cancelled(0), time.time())
            return True

    def _has_ended(self, job_id: str) -> bool:
        """True when the job is known to have ended or to be gone; a file that cannot be read does not tell."""
        try:
            return self.get(job_id).ended
        except InputError:
            return True
        except UnlearnError:
            return False

    def _write_cancel(self, job_id: str) -> bool:
        with self._session(write=True) as session:
            row = session.get(JobRow, job_id)
            if row is None or row.state not in ("queued", "running") or job_id in self._endings:
                return False
            row.cancel_requested = True
            if row.state == "queued":
                row.state, row.finished = "cancelled", time.time()
            row.version += 1
            session.add(row)
        return True

    def cancel_requested(self, job_id: str) -> bool:
        """True when somebody asked the job to stop, or deleted it; lanes ask ten times a second."""
        return job_id in self._unwanted or self._once(("cancel", job_id), lambda: self._cancel_requested(job_id))

    def _cancel_requested(self, job_id: str) -> bool:
        with self._session() as session:
            asked = session.exec(select(JobRow.cancel_requested).where(JobRow.id == job_id)).first()
        return asked is None or asked

    def interrupt_running(self) -> list[str]:
        """Mark every job that a stopped server left running as interrupted; their ids."""
        with self._session(write=True) as session:
            ids = list(session.exec(select(JobRow.id).where(JobRow.state == "running")))
            change = update(JobRow).where(col(JobRow.id).in_(ids))
            session.exec(change.values(state="interrupted", finished=time.time(), version=JobRow.version + 1))
        return ids

    def overdue(self, keep_s: float | None) -> list[str]:
        """Ids of ended jobs whose time is over, see `job_queries.overdue`; the clock of the machine may be set meanwhile."""
        elapsed = time.monotonic()
        ages = {job_id: elapsed - when for job_id, when in self._ended_at.items()}
        with self._session() as session:
            return queries.overdue(session, keep_s, time.time(), ages)

    def end_in_the_past(self) -> None:
        """Let what ended in the future, because the clock was set back, have ended now; it would be kept too long."""
        now = time.time()
        with self._session(write=True) as session:
            session.exec(update(JobRow).where(col(JobRow.finished) > now).values(finished=now))

    def drop_private_parts(self, ended_before: float) -> None:
        """Take what only the work was to see out of the requests of jobs that ended without success."""
        with self._session() as session:
            if not queries.with_private_parts(session, ended_before):
                return
        with self._session(write=True) as session:
            for row in queries.with_private_parts(session, ended_before):
                row.drop_private_parts()
                session.add(row)
        self.is_unerased = True

    def remove(self, job_ids: Sequence[str]) -> None:
        """Remove the jobs and their losses, and overwrite them on disk, write-ahead log included.

        Raises:
            UnlearnError: they are removed, but what they held is still on the disk (`is_unerased`).
        """
        with self._session(write=True) as session:
            self.is_unerased = True
            session.exec(delete(LossRow).where(col(LossRow.job).in_(job_ids)))
            session.exec(delete(JobRow).where(col(JobRow.id).in_(job_ids)))
        for job_id in job_ids:
            self._ended_at.pop(job_id, None)
        self.erase(ERASE_WITHIN_S)

    def erase(self, within_s: float = 0.0) -> None:
        """Overwrite on the disk what was deleted; SQLite can do it only while nobody else reads or writes.

        Raises:
            UnlearnError: somebody did all the time; try again later.
        """
        deadline = time.monotonic() + within_s
        while not self._database.checkpoint():
            if time.monotonic() >= deadline:
                raise UnlearnError(UNERASED)
            time.sleep(0.05)
        self.is_unerased = False
