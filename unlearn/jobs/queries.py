"""Queries on the tables of jobs, each within an open session; they change nothing."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, literal_column, or_
from sqlmodel import Session, col, select

from unlearn.jobs.states import Watch, fair_order
from unlearn.jobs.tables import JobRow

IN_ORDER: ColumnElement[int] = literal_column("job.rowid")  # SQLite counts rows as they come; a clock may be set back
ACTIVE = ("queued", "running")


def n_waiting(session: Session, owner: str | None = None, lane: str | None = None) -> int:
    """How many jobs wait, of everybody or of one owner, in all lanes or in one."""
    query = select(func.count()).where(JobRow.state == "queued")
    for column, value in ((JobRow.owner, owner), (JobRow.lane, lane)):
        if value is not None:
            query = query.where(column == value)
    return session.exec(query).one()


def waiting(session: Session, lane: str) -> list[str]:
    """The ids of a lane's waiting jobs in the order in which they are run."""
    queued = session.exec(
        select(JobRow.id, JobRow.owner).where(JobRow.lane == lane, JobRow.state == "queued").order_by(IN_ORDER)
    ).all()
    if len(queued) < 2:
        return [job_id for job_id, _ in queued]
    served = session.exec(
        select(JobRow.owner, func.max(JobRow.turn))
        .where(JobRow.lane == lane, col(JobRow.turn).is_not(None))
        .group_by(JobRow.owner)
    ).all()
    return fair_order(queued, {owner: when for owner, when in served if when is not None})


def position(session: Session, row: JobRow) -> int:
    """Place in the queue; one that a worker took since the row was read stood first."""
    ids = waiting(session, row.lane) if row.state == "queued" else []
    return ids.index(row.id) + 1 if row.id in ids else 1


def running(session: Session, lane: str) -> list[str]:
    """The ids of what a lane works on by the list."""
    return list(session.exec(select(JobRow.id).where(JobRow.lane == lane, JobRow.state == "running")))


def next_turn(session: Session) -> int:
    """The number of the next job that is started."""
    return (session.exec(select(func.max(JobRow.turn))).one() or 0) + 1


def watched(session: Session, owner: str, job_id: str) -> Watch:
    """What a page must know that shows an owner's jobs, a job and its parts; without the versions of what runs."""
    relevant = or_(col(JobRow.owner) == owner, col(JobRow.id) == job_id, col(JobRow.parent) == job_id)
    query = select(JobRow.id, JobRow.state, JobRow.owner, JobRow.lane).where(relevant, col(JobRow.state).in_(ACTIVE))
    n_jobs = session.exec(select(func.count()).where(relevant)).one()
    busy = session.exec(query.order_by(JobRow.id)).all()
    places = {lane: waiting(session, lane) for lane in {row[3] for row in busy if row[1] == "queued"}}
    states = [(row[0], places[row[3]].index(row[0]) if row[0] in places.get(row[3], ()) else row[1]) for row in busy]
    own = {row[0] for row in busy if row[2] == owner}
    return Watch(
        structure=f"{n_jobs}{states}", running=dict.fromkeys((row[0] for row in busy if row[1] == "running"), 0), active=bool(busy),
        is_owner=job_id in own, own_turn=any(active_id in own and state in (0, "running") for active_id, state in states),
    )  # fmt: skip


def overdue(session: Session, keep_s: float | None, now: float, ages: Mapping[str, float]) -> list[str]:
    """Ids of jobs whose time is over.

    Args:
        session: open.
        keep_s: how long an ended job is kept where it has no time of its own; None: for ever.
        now: seconds since the epoch.
        ages: how long ago jobs ended by a clock that nobody sets, as far as that is known.

    Returns:
        Ended jobs that are part of no other job in the list; parts are deleted with what they are part of.
    """
    ids = set(session.exec(select(JobRow.id)))
    ended = session.exec(select(JobRow.id, JobRow.parent, JobRow.finished, JobRow.keep_s).where(col(JobRow.finished).is_not(None))).all()
    overdue_ids = []
    for job_id, parent, finished, own_s in ended:
        limits = [limit for limit in (keep_s, own_s) if limit is not None]
        age = max(now - (finished or 0.0), ages.get(job_id, 0.0))
        if limits and age >= min(limits) and parent not in ids:
            overdue_ids.append(job_id)
    return overdue_ids
