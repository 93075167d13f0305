"""The SQLite tables of jobs and how a row becomes a `Job`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from unlearn.jobs.states import Cancelled, Failed, Interrupted, Job, Queued, Running, State, Submission, Succeeded

FIRST_ESTIMATE_S = 1.0  # no "time left" before this much of the work has run; the first steps mislead


STATES = ("queued", "running", "succeeded", "failed", "cancelled", "interrupted")


class JobRow(SQLModel, table=True):
    """A job as stored; `state` is the lower-case name of its state class.

    `turn` counts the jobs in the order in which they were started, because the clock of the machine may be set back.
    The tables of earlier versions get new columns by themselves (`jobs.database`).
    """

    __tablename__ = "job"
    id: str = Field(primary_key=True)
    owner: str = Field(index=True)
    lane: str = Field(index=True)
    work: str
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    parent: str | None = Field(default=None, index=True)
    group: str | None = Field(default=None, index=True)
    created: float
    started: float | None = None
    finished: float | None = None
    state: str = Field(default="queued", index=True)
    step: int = 0
    total: int = 0
    note: str = ""
    message: str = ""
    details: str = ""
    result: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    cancel_requested: bool = False
    version: int = 0
    must_leave: str | None = None
    run_s: float | None = None
    turn: int | None = None
    keep_s: float | None = None
    had_inputs: bool = False
    keeps_inputs: bool = False


class LossRow(SQLModel, table=True):
    """The losses of one step of a running job; `losses` holds the encoder and its step, too, except in the rows of early versions."""

    __tablename__ = "loss"
    id: int | None = Field(default=None, primary_key=True)
    job: str = Field(index=True)
    step: int
    losses: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


def new_row(submission: Submission, had_inputs: bool) -> JobRow:
    """A waiting job with a fresh unguessable id (128 random bits)."""
    return JobRow(id=secrets.token_urlsafe(16), created=time.time(), had_inputs=had_inputs, **vars(submission))


def loss_rows(job_id: str, losses: Sequence[dict[str, Any]]) -> list[LossRow]:
    """Rows of losses as stored."""
    return [LossRow(job=job_id, step=row["step"], losses=row) for row in losses]


def _seconds_left(row: JobRow, elapsed_s: float | None) -> float | None:
    if elapsed_s is None or elapsed_s < FIRST_ESTIMATE_S or row.step <= 0 or row.total <= row.step:
        return None
    return elapsed_s * (row.total - row.step) / row.step


def job_of(row: JobRow, position: int, elapsed_s: float | None = None) -> Job:
    """The job that a row describes.

    Args:
        row: as stored.
        position: its place in the queue; matters only while it waits.
        elapsed_s: how long it has been running; matters only while it runs.
    """
    states: dict[str, State] = {
        "queued": Queued(position),
        "running": Running(row.step, row.total, row.note, _seconds_left(row, elapsed_s)),
        "succeeded": Succeeded(row.result),
        "failed": Failed(row.message, row.details),
        "cancelled": Cancelled(row.step),
        "interrupted": Interrupted(),
    }
    shared = ("id", "owner", "lane", "work", "request", "parent", "group", "created", "started", "finished", "version",
              "must_leave", "run_s", "keep_s", "had_inputs", "keeps_inputs")  # fmt: skip
    return Job(state=states[row.state], **{name: getattr(row, name) for name in shared})
