"""Jobs in an SQLite table that outlives the server; knows no process and nothing of what the work does.

All changes of a job's state are made here, each in one transaction. One server process owns the file; its
threads may call at the same time. What pages and lanes ask over and over is answered from memory until a job comes, goes or
changes its state. Deleted rows are overwritten on disk (`secure_delete`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, event, func, or_
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, SQLModel, col, create_engine, delete, select, update

from unlearn.config import Progress
from unlearn.errors import InputError, UnlearnError
from unlearn.job_states import Failed, Job, State, Succeeded, Watch, fair_order
from unlearn.job_tables import JobRow, LossRow, job_of

BUSY_TIMEOUT_S = 10
MAX_ANSWERS = 20_000

T = TypeVar("T")


def _set_pragmas(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


class JobStore:
    """The table of jobs. Methods raise `UnlearnError` when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._live_losses: dict[str, list[dict[str, Any]]] = {}  # of running jobs, which pages ask for every second
        self._versions: dict[str, int] = {}  # of running jobs
        self._answers: dict[tuple[str, ...], Any] = {}  # see `_once`
        self._engine: Engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(self._engine, "connect", _set_pragmas)
        with self._session():
            SQLModel.metadata.create_all(self._engine)
        path.chmod(0o600)

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()

    @contextmanager
    def _session(self, write: bool = False, only_progress: bool = False) -> Iterator[Session]:
        """One transaction; writers take turns. The one place where foreign errors are mapped."""
        if write:
            self._lock.acquire()
        try:
            with Session(self._engine, expire_on_commit=False) as session:
                yield session
                if write:
                    session.commit()
                    if not only_progress:
                        self._answers = {}  # a new one: who asked before the change puts the answer into the old one
        except SQLAlchemyError as error:
            text = f"The list of jobs could not be used ({type(error).__name__}); is the disk full?"
            raise UnlearnError(text) from error
        finally:
            if write:
                self._lock.release()

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

    def add(self, job: JobRow, max_waiting: int) -> Job:
        """Store a new waiting job.

        Raises:
            InputError: the owner has `max_waiting` jobs waiting in this lane already.
        """
        with self._session(write=True) as session:
            waiting = select(func.count()).where(
                JobRow.owner == job.owner, JobRow.lane == job.lane, JobRow.state == "queued"
            )
            if (n_waiting := session.exec(waiting).one()) >= max_waiting:
                raise InputError(f"You have {n_waiting} jobs waiting already; wait for one or cancel one.")
            session.add(job)
        return self.get(job.id)

    def get(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            InputError: there is none (any more).
        """
        with self._session() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise InputError("There is no such job; it may have been deleted, or the link is incomplete.")
            return job_of(row, self._position(session, row))

    def find(
        self, *, owner: str | None = None, parent: str | None = None, group: str | None = None,
        job_id: str | None = None,
    ) -> list[Job]:  # fmt: skip
        """The jobs of an owner, a parent, a group or an id; newest first."""
        query = select(JobRow).order_by(col(JobRow.created).desc())
        columns = ((JobRow.owner, owner), (JobRow.parent, parent), (JobRow.group, group), (JobRow.id, job_id))
        for column, value in columns:
            if value is not None:
                query = query.where(column == value)
        with self._session() as session:
            return [job_of(row, self._position(session, row)) for row in session.exec(query)]

    @staticmethod
    def _shown(owner: str, job_id: str) -> ColumnElement[bool]:
        """What a page shows: an owner's jobs, a job and its parts."""
        return or_(col(JobRow.owner) == owner, col(JobRow.id) == job_id, col(JobRow.parent) == job_id)

    def watch(self, owner: str, job_id: str) -> Watch:
        """What a page that polls must know about an owner's jobs, a job and its parts; cheap."""
        watch = self._once(("watch", owner, job_id), lambda: self._watch(owner, job_id))
        return replace(watch, running={one: self._versions.get(one, 0) for one in watch.running})

    def _watch(self, owner: str, job_id: str) -> Watch:
        shown = self._shown(owner, job_id)
        active = col(JobRow.state).in_(("queued", "running"))
        query = select(JobRow.id, JobRow.state, JobRow.owner, JobRow.lane).where(shown, active)
        with self._session() as session:
            n_jobs = session.exec(select(func.count()).where(shown)).one()
            busy = session.exec(query.order_by(JobRow.id)).all()
            places = {lane: self._waiting(session, lane) for lane in {row[3] for row in busy if row[1] == "queued"}}
        states = [(row[0], places[row[3]].index(row[0]) if row[0] in places.get(row[3], ()) else row[1]) for row in busy]
        own = {row[0] for row in busy if row[2] == owner}
        return Watch(
            structure=f"{n_jobs}{states}", running=dict.fromkeys((row[0] for row in busy if row[1] == "running"), 0), active=bool(busy),
            is_owner=job_id in own, own_turn=any(one in own and state in (0, "running") for one, state in states),
        )  # fmt: skip

    def losses(self, job_id: str) -> list[dict[str, Any]]:
        """Rows {"encoder", "step" (of this encoder), loss name: value...} reported so far, in the order of the steps."""
        if (live := self._live_losses.get(job_id)) is not None:
            return list(live)
        query = select(LossRow.step, LossRow.losses).where(LossRow.job == job_id).order_by(col(LossRow.id))
        with self._session() as session:
            return [{"step": step, **losses} for step, losses in session.exec(query)]

    def _waiting(self, session: Session, lane: str) -> list[str]:
        queued = session.exec(
            select(JobRow.id, JobRow.owner)
            .where(JobRow.lane == lane, JobRow.state == "queued")
            .order_by(col(JobRow.created))
        ).all()
        if len(queued) < 2:
            return [job_id for job_id, _ in queued]
        served = session.exec(
            select(JobRow.owner, func.max(JobRow.started))
            .where(JobRow.lane == lane, col(JobRow.started).is_not(None))
            .group_by(JobRow.owner)
        ).all()
        return fair_order(queued, {owner: when for owner, when in served if when is not None})

    def _any_waiting(self, lane: str) -> bool:
        with self._session() as session:
            return bool(self._waiting(session, lane))

    def _position(self, session: Session, row: JobRow) -> int:
        """Place in the queue; one that a worker took since the row was read stood first."""
        waiting = self._waiting(session, row.lane) if row.state == "queued" else []
        return waiting.index(row.id) + 1 if row.id in waiting else 1

    def claim(self, lane: str) -> Job | None:
        """Mark the next waiting job of the lane as running and return it; None when nobody waits."""
        if not self._once(("waiting", lane), lambda: self._any_waiting(lane)):
            return None
        with self._session(write=True) as session:
            waiting = self._waiting(session, lane)
            row = session.get(JobRow, waiting[0]) if waiting else None
            if row is None:
                return None
            row.state, row.started, row.note = "running", time.time(), "Starting"
            row.version += 1
            session.add(row)
            self._versions[row.id] = row.version
        return job_of(row, 0)

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
        live = self._live_losses.setdefault(job_id, [])
        live.extend({"step": step, **values} for step, values in losses)

    def finish(self, job_id: str, state: State) -> None:
        """Store the end of a job that was running or waiting; one that has ended already stays as it is."""
        with self._session(write=True) as session:
            row = session.get(JobRow, job_id)
            if row is None or row.state not in ("queued", "running"):
                return
            row.state, row.finished = type(state).__name__.lower(), time.time()
            row.version += 1
            self._live_losses.pop(job_id, None)
            self._versions.pop(job_id, None)
            if isinstance(state, Succeeded):
                row.result, row.step = state.result, row.total
            elif isinstance(state, Failed):
                row.message, row.details = state.message, state.details
            session.add(row)

    def set_parent(self, job_id: str, parent: str) -> None:
        """Make a job part of another, to be shown and deleted with it."""
        with self._session(write=True) as session:
            session.exec(update(JobRow).where(col(JobRow.id) == job_id).values(parent=parent, version=JobRow.version + 1))

    def request_cancel(self, job_id: str) -> bool:
        """Cancel a waiting job at once, ask a running one to stop; False when it had ended."""
        with self._session(write=True) as session:
            row = session.get(JobRow, job_id)
            if row is None or row.state not in ("queued", "running"):
                return False
            row.cancel_requested = True
            if row.state == "queued":
                row.state, row.finished = "cancelled", time.time()
            row.version += 1
            session.add(row)
        return True

    def cancel_requested(self, job_id: str) -> bool:
        """True when somebody asked the job to stop, or deleted it; lanes ask ten times a second."""
        return self._once(("cancel", job_id), lambda: self._cancel_requested(job_id))

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

    def ended_before(self, when: float) -> list[str]:
        """Ids of jobs that ended before a time, in seconds since the epoch."""
        with self._session() as session:
            return list(session.exec(select(JobRow.id).where(col(JobRow.finished) < when)))

    def remove(self, job_ids: Sequence[str]) -> None:
        """Overwrite the jobs and their losses on disk, write-ahead log included."""
        with self._session(write=True) as session:
            session.exec(delete(LossRow).where(col(LossRow.job).in_(job_ids)))
            session.exec(delete(JobRow).where(col(JobRow.id).in_(job_ids)))
        with self._lock, self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
