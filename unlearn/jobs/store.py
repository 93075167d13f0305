"""Jobs in an SQLite table that outlives the server: every change of a job's state.

Each change is one transaction. One server process owns the file; its threads may call at the same time. How a job ended is kept in
memory until it is written, whatever happens to the file meanwhile; so is the wish to cancel what runs. Deleted rows are overwritten
on disk (`secure_delete`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlmodel import col, delete, select, update

from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import queries
from unlearn.jobs.endings import Ending
from unlearn.jobs.reader import JobReader
from unlearn.jobs.states import Cancelled, Failed, Job, State
from unlearn.jobs.tables import JobRow, LossRow, job_of, loss_rows
from unlearn.progress import Progress

LOST = "The work on this was lost, because the list of jobs could not be used. Run it again."
UNERASED = (
    "It was removed from the list of jobs, but another program reads the file of the list, so that its entries are still on the "
    "disk. The server goes on trying to overwrite them; whoever runs it should close that program."
)
ERASE_WITHIN_S = 5.0
Losses = Sequence[dict[str, Any]]  # rows {"encoder", "step" (of this encoder), loss name: value...}
UNSTORABLE = "The result of this work cannot be stored in the list of jobs. Run it again; if it fails again, report it."


class JobStore(JobReader):
    """The table of jobs with its changes. Methods raise `UnlearnError` when the file cannot be read or written."""

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

    def claim(self, lane: str, busy_parents: Collection[str] = ()) -> Job | None:
        """Mark the next waiting job of the lane as running and return it; None when nobody waits.

        A job that is part of another one goes on waiting while that one is among `busy_parents`.
        """
        if not self.n_waiting(lane):
            return None
        with self._session(write=True) as session:
            waiting = (session.get_one(JobRow, job_id) for job_id in queries.waiting(session, lane) if job_id not in self._endings)
            row = next((row for row in waiting if row.parent not in busy_parents or session.get(JobRow, row.parent) is None), None)
            if row is None:
                return None
            row.state, row.started, row.note = "running", time.time(), "Starting"
            row.turn = queries.next_turn(session)
            row.version += 1
            session.add(row)
        self._running.begin(row.id, row.version)
        return job_of(row, 0, 0.0)

    def fail_lost(self, lane: str, at_work: Collection[str] = ()) -> None:
        """Fail what the list calls running in a lane although it is none of the jobs `at_work`: its worker is gone."""
        for job_id in self._answers.once(("lost", lane), lambda: self._running_rows(lane)):
            if job_id not in self._endings and job_id not in at_work:
                self.finish(job_id, Failed(LOST))

    def progress(self, job_id: str, progress: Progress, losses: Losses = ()) -> None:
        """Store how far a running job is, and the losses of the steps since the last call."""
        with self._session(write=True, only_progress=True) as session:
            row = session.get(JobRow, job_id)
            if row is None or row.state != "running":
                return
            row.step, row.total, row.note = progress.step, progress.total, progress.note
            row.version += 1
            session.add(row)
            session.add_all(loss_rows(job_id, losses))
        self._running.progressed(job_id, row.version)
        self._running.add_losses(job_id, losses)

    def finish(self, job_id: str, state: State, progress: Progress | None = None, losses: Losses = ()) -> None:
        """Store the end of a job that was running or waiting; one that has ended already stays as it is.

        Where the file cannot be written, the end is kept and holds all the same: `write_endings` tries again.
        """
        run_s = self._running.elapsed_s(job_id)
        if losses:
            self._running.add_losses(job_id, losses)  # before the end is: until it is written, the file lacks them
        self._endings[job_id] = Ending(state, time.time(), run_s, progress, tuple(losses))
        self._running.end(job_id)
        self._answers.forget()
        self.write_endings()

    def write_endings(self) -> None:
        """Write the ends that could not be written before."""
        for job_id, ending in list(self._endings.items()):
            try:
                self._write_ending(job_id, ending)
            except InputError:  # trying again would not help
                self._write_ending(job_id, replace(ending, state=Failed(UNSTORABLE), progress=None, losses=()))
            self._running.written(job_id)
            self._endings.pop(job_id, None)

    def _write_ending(self, job_id: str, ending: Ending) -> None:
        with self._session(write=True) as session:
            row = session.get(JobRow, job_id)
            if row is not None and row.state in ("queued", "running"):
                ending.fill(row)
                session.add(row)
                session.add_all(loss_rows(job_id, ending.losses))

    def set_parent(self, job_id: str, parent: str) -> None:
        """Make a job part of another, to be shown and deleted with it."""
        with self._session(write=True) as session:
            session.exec(update(JobRow).where(col(JobRow.id) == job_id).values(parent=parent, version=JobRow.version + 1))

    def request_cancel(self, job_id: str) -> bool:
        """Cancel a waiting job at once, ask a running one to stop; False when it had ended.

        Where the file cannot be written, the request is kept in memory and takes effect all the same.
        """
        if job_id in self._running:
            self._running.want_stopped(job_id)
        try:
            return self._write_cancel(job_id)
        except UnlearnError:
            if self._has_ended(job_id):
                return False
            if job_id in self._running:
                self._running.want_stopped(job_id)
            else:
                self._endings[job_id] = Ending(Cancelled(0), time.time())
            return True

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

    def interrupt_running(self) -> list[str]:
        """Mark every job that a stopped server left running as interrupted; their ids."""
        with self._session(write=True) as session:
            ids = list(session.exec(select(JobRow.id).where(JobRow.state == "running")))
            change = update(JobRow).where(col(JobRow.id).in_(ids))
            session.exec(change.values(state="interrupted", finished=time.time(), version=JobRow.version + 1))
        return ids

    def overdue(self, keep_s: float | None) -> list[str]:
        """Ids of ended jobs whose time is over, see `jobs.queries.overdue`; the clock of the machine may be set meanwhile."""
        with self._session() as session:
            return queries.overdue(session, keep_s, time.time(), self._running.ages_s())

    def end_in_the_past(self) -> None:
        """Let what ended in the future, because the clock was set back, have ended now; it would be kept too long."""
        now = time.time()
        with self._session(write=True) as session:
            session.exec(update(JobRow).where(col(JobRow.finished) > now).values(finished=now))

    def remove(self, job_ids: Sequence[str]) -> None:
        """Remove the jobs and their losses, and overwrite them on disk, write-ahead log included.

        Raises:
            UnlearnError: they are removed, but what they held is still on the disk (`is_unerased`).
        """
        with self._session(write=True) as session:
            self.is_unerased = True
            session.exec(delete(LossRow).where(col(LossRow.job).in_(job_ids)))
            session.exec(delete(JobRow).where(col(JobRow.id).in_(job_ids)))
        self._running.forget(job_ids)
        self.erase(ERASE_WITHIN_S)

    def erase(self, within_s: float = 0.0) -> None:
        """Overwrite on the disk what was deleted; SQLite can do so only while nobody else reads or writes.

        Raises:
            UnlearnError: another program used the file all the time; try again later.
        """
        deadline = time.monotonic() + within_s
        while not self._database.checkpoint():
            if time.monotonic() >= deadline:
                raise UnlearnError(UNERASED)
            time.sleep(0.05)
        self.is_unerased = False
