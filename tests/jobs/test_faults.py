"""Jobs while things around them fail: the database is locked, the disk is full, no process can be started, a cancel comes late.

Whatever happens, a job ends with its own result or none, and the next job of the lane runs.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.support.waiting import WITHIN_S, until, until_at_work
from unlearn.errors import UnlearnError
from unlearn.jobs import Cancelled, Failed, Job, JobLimits, Jobs, Queued, Running, Submission, Succeeded
from unlearn.jobs import lane as job_lane
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import JobRow

OWNERS = ("ann", "bob", "eve")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "data", ("long", "quick"), JobLimits(niceness=0), busy_timeout_s=0.2)
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", must_leave: str | None = None, **request: Any) -> Job:
    return jobs.submit(Submission("long", f"tests.support.job_works:{work}", request, owner, must_leave=must_leave))


@contextmanager
def locked(jobs: Jobs) -> Iterator[None]:
    """Another program holds the database for writing."""
    other = sqlite3.connect(jobs.store._database.path, isolation_level=None, timeout=30.0)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def full_disk(jobs: Jobs) -> Iterator[None]:
    """Every change of the database fails as on a disk without room."""

    def refuse(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("SELECT"):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    event.listen(jobs.store._engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(jobs.store._engine, "before_cursor_execute", refuse)


def label_of(job: Job) -> str | None:
    return job.state.result["label"] if isinstance(job.state, Succeeded) else None


# ---- the list of jobs cannot be written --------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [locked, full_disk])
@pytest.mark.parametrize("pause_s", [0.5, 2.5])  # the work ends within the trouble, or after it
def test_results_stay_with_their_jobs_while_the_list_cannot_be_written(jobs: Jobs, trouble: Any, pause_s: float) -> None:
    queued = [submit(jobs, "tell", owner, label=owner, pause_s=pause_s) for owner in OWNERS]
    until_at_work(jobs, queued[0])
    with trouble(jobs):
        time.sleep(1.5)
        assert not any(isinstance(jobs.get(job.id).state, Succeeded | Running) for job in queued[1:]), "nothing else is begun"
    until(lambda: all(jobs.get(job.id).ended for job in queued))
    first, *others = [jobs.get(job.id) for job in queued]
    assert label_of(first) in ("ann", None) and [label_of(job) for job in others] == ["bob", "eve"]
    if pause_s < 1.0:
        assert label_of(first) == "ann", "what was done is kept until it can be written"
    until(lambda: jobs.health().is_well)


def test_progress_that_cannot_be_written_ends_job_and_worker(jobs: Jobs) -> None:
    first, second = (submit(jobs, "count", owner, n=100_000 if owner == "ann" else 3, pause_s=0.01) for owner in ("ann", "bob"))
    until_at_work(jobs, first)
    worker = jobs._lanes["long"]._worker
    assert worker is not None
    with locked(jobs):
        until(lambda: not worker.alive)
        until(lambda: not jobs.health().is_well)
        assert "locked" in jobs.health().lanes[0].trouble
    until(lambda: jobs.get(second.id).ended)
    state = jobs.get(first.id).state
    assert isinstance(state, Failed) and "Run it again" in state.message
    assert isinstance(jobs.get(second.id).state, Succeeded)


@pytest.mark.parametrize("by", ["get", "find"])
def test_end_that_is_written_while_somebody_reads_stays_an_end(tmp_path: Path, by: str) -> None:
    store = JobStore(tmp_path / "jobs.sqlite", busy_timeout_s=0.2)
    store.add(JobRow(id="one", owner="ann", lane="long", work="tell", request={}, created=time.time()), max_waiting=1)
    job = store.claim("long")
    assert job is not None
    other = sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnlearnError):
        store.finish(job.id, Succeeded({"label": "ann"}))
    other.execute("ROLLBACK")
    other.close()
    assert store.get(job.id).ended

    writer = threading.Thread(target=store.write_endings)

    def write_meanwhile(_connection: Any, _cursor: Any, _statement: str, *_: Any) -> None:
        if writer.ident is None and threading.current_thread() is threading.main_thread():
            writer.start()
            writer.join()

    event.listen(store._engine, "after_cursor_execute", write_meanwhile)
    seen = store.get(job.id) if by == "get" else store.find(job_id=job.id)[0]
    assert writer.ident is not None and not store._endings, "it was written while the row was read"
    assert seen.ended
    store.close()


def test_end_is_told_before_it_is_written_and_survives_the_server(jobs: Jobs, tmp_path: Path) -> None:
    job = submit(jobs, "tell", label="ann", pause_s=0.4)
    until_at_work(jobs, job)
    with locked(jobs):
        until(lambda: jobs.get(job.id).ended)
        assert label_of(jobs.get(job.id)) == "ann"
    jobs.stop()
    again = Jobs(tmp_path / "data", ("long",), JobLimits(niceness=0))
    again.start()
    assert label_of(again.get(job.id)) == "ann"
    again.stop()


@pytest.mark.parametrize("work", ["hang", "count"])  # the lane waits for the work, or is stuck in writing its progress
def test_cancel_acts_while_the_list_cannot_be_written(tmp_path: Path, work: str) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), JobLimits(niceness=0), busy_timeout_s=4.0)
    jobs.start()
    running, waiting, last = submit(jobs, work, n=100_000, pause_s=0.01), submit(jobs, "tell", label=""), submit(jobs, "tell", label="eve")
    until_at_work(jobs, running)
    worker = jobs._lanes["long"]._worker
    assert worker is not None
    with locked(jobs):
        time.sleep(0.6)
        asked = time.monotonic()
        threads = [threading.Thread(target=jobs.cancel, args=(job.id,)) for job in (running, waiting)]
        for thread in threads:
            thread.start()
        until(lambda: not worker.alive)
        assert time.monotonic() - asked < 2.0
        for thread in threads:
            thread.join()
        until(lambda: jobs.get(running.id).ended)
        assert isinstance(jobs.get(running.id).state, Cancelled) and jobs.get(waiting.id).state == Cancelled(0)
    until(lambda: jobs.get(last.id).ended)
    assert [type(jobs.get(job.id).state) for job in (running, waiting, last)] == [Cancelled, Cancelled, Succeeded]
    assert not jobs.cancel(waiting.id), "it has ended"
    jobs.stop()


def test_row_that_runs_without_a_worker_fails(jobs: Jobs) -> None:
    job = submit(jobs, "tell", label="ann")
    until(lambda: jobs.get(job.id).ended and not jobs.store._endings)  # its end is written, too
    with sqlite3.connect(jobs.store._database.path) as other:
        other.execute("UPDATE job SET state = 'running', result = '{}' WHERE id = ?", (job.id,))
    other.close()
    after = submit(jobs, "tell", label="bob")
    until(lambda: jobs.get(after.id).ended)
    assert isinstance(jobs.get(job.id).state, Failed) and label_of(jobs.get(after.id)) == "bob"


@pytest.mark.parametrize("work", ["tell_what_cannot_be_stored", "tell_odd_text"])
def test_what_cannot_be_stored_fails_its_job_only(jobs: Jobs, work: str) -> None:
    bad, good = submit(jobs, work), submit(jobs, "tell", label="ann")
    until(lambda: jobs.get(good.id).ended)
    assert isinstance(jobs.get(bad.id).state, Failed) and label_of(jobs.get(good.id)) == "ann"


def test_work_that_must_leave_a_manifest_has_not_succeeded_without(jobs: Jobs) -> None:
    bad, good = (submit(jobs, "tell", label="x", leaves=name, must_leave="manifest.json") for name in ("other.json", "manifest.json"))
    until(lambda: jobs.get(good.id).ended)
    state = jobs.get(bad.id).state
    assert isinstance(state, Failed) and "manifest.json is missing" in state.message
    assert not jobs.folder(bad.id).exists() and isinstance(jobs.get(good.id).state, Succeeded)
    assert jobs.rerun(good.id, "ann").must_leave == "manifest.json"


# ---- a cancel that comes late ------------------------------------------------------------------------------------


def test_late_cancel_stops_no_later_job(jobs: Jobs) -> None:
    job = submit(jobs, "tell", label="ann", pause_s=0.4)
    until_at_work(jobs, job)
    jobs.cancel(job.id)  # the work never looks up, and is done before its process is killed
    until(lambda: jobs.get(job.id).ended)
    assert label_of(jobs.get(job.id)) == "ann"
    pid = jobs.get(job.id).state.result["pid"]  # type: ignore[union-attr]
    for _ in range(2):
        after = submit(jobs, "count", n=3)
        until(lambda after=after: jobs.get(after.id).ended)
        state = jobs.get(after.id).state
        assert isinstance(state, Succeeded) and state.result["pid"] == pid, "in the same process"


def test_cancel_of_a_job_that_is_over_does_nothing_to_the_one_at_work(jobs: Jobs) -> None:
    over, running = submit(jobs, "tell", label="ann"), submit(jobs, "count", n=60, pause_s=0.02)
    until_at_work(jobs, running)
    assert not jobs.cancel(over.id) and not jobs.cancel("nobody's")
    until(lambda: jobs.get(running.id).ended)
    assert isinstance(jobs.get(running.id).state, Succeeded)


# ---- a worker that does not start --------------------------------------------------------------------------------


def test_worker_that_cannot_be_started_is_tried_again(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    lane = jobs._lanes["long"]
    until(lambda: lane._worker is not None)
    make, calls = lane._make_worker, []

    def refuse() -> Any:
        calls.append(1)
        raise OSError(24, "Too many open files", "/secret/path")

    lane._make_worker = refuse
    lane._end_worker()
    job = submit(jobs, "tell", label="ann")
    until(lambda: len(calls) > 1)
    told = jobs.health()
    assert not told.is_well and told.lanes[0].trouble == "Too many open files" and told.lanes[0].since is not None
    assert told.lanes[1].is_well and jobs.get(job.id).state == Queued(1), "it waits"
    lane._make_worker = make
    until(lambda: jobs.get(job.id).ended)
    assert label_of(jobs.get(job.id)) == "ann", jobs.get(job.id).state
    until(lambda: jobs.health().is_well)


def test_worker_that_never_starts_fails_what_waits(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_lane, "START_WITHIN_S", 0.5)
    monkeypatch.setattr(job_lane, "RETRY_S", 0.1)
    lane = jobs._lanes["long"]
    until(lambda: lane._worker is not None)

    def refuse() -> Any:
        raise OSError(12, "Cannot allocate memory")

    lane._make_worker = refuse
    lane._end_worker()
    queued = [submit(jobs, "tell", label="ann") for _ in range(2)]
    until(lambda: all(jobs.get(job.id).ended for job in queued))
    for job in queued:
        state = jobs.get(job.id).state
        assert isinstance(state, Failed) and "Cannot allocate memory" in state.message


@pytest.mark.parametrize("error", [ValueError("secret name"), MemoryError(), KeyError("secret name"), RuntimeError("secret name")])
def test_no_exception_ends_a_lane(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    claim, n_left = jobs.store.claim, [2]

    def stumble(lane: str, busy_parents: frozenset[str]) -> Job | None:
        if lane == "long" and n_left[0]:
            n_left[0] -= 1
            raise error
        return claim(lane, busy_parents)

    monkeypatch.setattr(jobs.store, "claim", stumble)
    job = submit(jobs, "tell", label="ann")
    until(lambda: n_left[0] == 1 and not jobs.health().is_well)
    assert jobs.health().lanes[0].trouble == type(error).__name__
    until(lambda: jobs.get(job.id).ended)
    assert label_of(jobs.get(job.id)) == "ann", jobs.get(job.id).state
    until(lambda: jobs.health().is_well)


def test_worker_that_died_while_idle_is_replaced_unnoticed(jobs: Jobs) -> None:
    assert label_of(jobs.wait(submit(jobs, "tell", label="ann").id, WITHIN_S)) == "ann"
    worker = jobs._lanes["long"]._worker
    assert worker is not None
    worker.kill()
    assert label_of(jobs.wait(submit(jobs, "tell", label="bob").id, WITHIN_S)) == "bob"
