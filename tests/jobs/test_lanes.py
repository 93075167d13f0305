"""Several lanes of a queue, one for each device: who takes which job, and what the trouble of one means to the others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import WITHIN_S, until, until_at_work
from unlearn.config import Settings
from unlearn.jobs import Cancelled, Failed, Interrupted, Job, JobLimits, Jobs, Running, Submission, Succeeded, WorkerSetup
from unlearn.jobs import lane as job_lane
from unlearn.jobs.health import LaneHealth
from unlearn.jobs.roster import Roster
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import new_row

LIMITS = JobLimits(niceness=0)


def two_lanes(data_dir: Path, devices: tuple[str, ...] = ("cpu", "cpu")) -> Jobs:
    settings = Settings(data_dir, device=devices[0]).to_plain()
    return Jobs(data_dir, ("long", "quick"), LIMITS, WorkerSetup(settings, devices=devices))


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = two_lanes(tmp_path / "data")
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", **request: Any) -> Job:
    return jobs.submit(Submission("long", f"tests.support.job_works:{work}", request, owner))


# ---- who takes which job -----------------------------------------------------------------------------------------


def test_each_device_works_on_a_job_at_the_same_time(tmp_path: Path) -> None:
    jobs, here = two_lanes(tmp_path / "data", ("cpu", "cuda:3")), tmp_path / "here"
    here.mkdir()
    jobs.start()
    both = [submit(jobs, "meet", folder=str(here), n=2) for _ in range(2)]
    states = [jobs.wait(job.id, WITHIN_S).state for job in both]
    told = jobs.health().lanes
    jobs.stop()
    assert all(isinstance(state, Succeeded) for state in states), "each waits for the other"
    assert {state.result["device"] for state in states if isinstance(state, Succeeded)} == {"cpu", "cuda:3"}
    assert [(lane.lane, lane.queue, lane.device) for lane in told] == [
        ("long", "long", "cpu"), ("long-2", "long", "cuda:3"), ("quick", "quick", "cpu"), ("quick-2", "quick", "cuda:3"),
    ]  # fmt: skip


def test_owners_take_turns_also_where_two_lanes_take_the_jobs(tmp_path: Path) -> None:
    jobs, log = two_lanes(tmp_path / "data"), tmp_path / "log"
    queued = {label: submit(jobs, "note_start", who, log=str(log), label=label)
              for who, label in (("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"))}  # fmt: skip
    jobs.start()
    until(lambda: all(jobs.get(job.id).ended for job in queued.values()))
    jobs.stop()
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as database:
        ids = [row[0] for row in database.execute("SELECT id FROM job ORDER BY turn")]
    database.close()
    assert [label for job_id in ids for label, job in queued.items() if job.id == job_id] == ["a1", "b1", "a2", "a3"]
    assert sorted(log.read_text().split()) == ["a1", "a2", "a3", "b1"], "each once"


def test_no_second_worker_is_started_for_jobs_that_one_lane_takes(jobs: Jobs) -> None:
    ends = [jobs.wait(submit(jobs, "tell", label="x").id, WITHIN_S).state for _ in range(3)]
    assert len({state.result["pid"] for state in ends if isinstance(state, Succeeded)}) == 1
    assert [lane.has_worker for lane in jobs.health().lanes] == [True, False, False, False]


# ---- the trouble of one lane -------------------------------------------------------------------------------------


def test_crash_of_one_worker_harms_its_own_job_only(jobs: Jobs) -> None:
    long = submit(jobs, "count", n=100_000, pause_s=0.02)
    until_at_work(jobs, long)
    crashed = jobs.wait(submit(jobs, "crash", "bob").id, WITHIN_S)
    after = jobs.wait(submit(jobs, "tell", "bob", label="x").id, WITHIN_S)
    assert isinstance(crashed.state, Failed) and "exit code -9" in crashed.state.message
    assert isinstance(after.state, Succeeded), "the lane has another worker"
    step = jobs.get(long.id).state
    assert isinstance(step, Running)
    until(lambda: isinstance(state := jobs.get(long.id).state, Running) and state.step > step.step)


def test_cancel_stops_the_job_and_not_the_one_beside_it(jobs: Jobs) -> None:
    first, second = (submit(jobs, "count", n=100_000, pause_s=0.01) for _ in range(2))
    until_at_work(jobs, first, second)
    assert jobs.cancel(second.id)
    until(lambda: jobs.get(second.id).ended)
    assert isinstance(jobs.get(second.id).state, Cancelled)
    assert isinstance(jobs.wait(submit(jobs, "tell", label="x").id, WITHIN_S).state, Succeeded)
    assert isinstance(jobs.get(first.id).state, Running)


def test_lane_without_a_worker_fails_no_job_that_another_can_do(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_lane, "START_WITHIN_S", 0.3)
    monkeypatch.setattr(job_lane, "RETRY_S", 0.05)
    tried = []

    def refuse() -> Any:
        tried.append(1)
        raise OSError(12, "Cannot allocate memory")

    jobs._lanes["long-2"]._make_worker = refuse
    ends = [submit(jobs, "count", n=3, pause_s=0.4) for _ in range(4)]
    until(lambda: len(tried) > 2)
    assert jobs.health().is_well, "the queue is worked on"
    assert any(lane.trouble == "Cannot allocate memory" for lane in jobs.health().lanes)
    assert all(isinstance(jobs.wait(job.id, WITHIN_S).state, Succeeded) for job in ends)


def test_health_is_bad_once_no_lane_of_a_queue_works(jobs: Jobs) -> None:
    jobs._lanes["long-2"]._trouble = "Too many open files"
    jobs._lanes["long-2"].stop()
    assert jobs.health().is_well
    jobs._lanes["long"].stop()
    assert not jobs.health().is_well


def test_restart_what_ran_on_every_lane_is_interrupted(tmp_path: Path) -> None:
    first = two_lanes(tmp_path / "data")
    first.start()
    running = [submit(first, "hang") for _ in range(2)]
    until_at_work(first, *running)
    first.stop()
    second = two_lanes(tmp_path / "data")
    second.start()
    assert [second.get(job.id).state for job in running] == [Interrupted(), Interrupted()]
    second.stop()


# ---- parts of one job --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_shared", [True, False])
def test_parts_of_one_job_do_not_run_at_once_where_they_would_undo_each_other(tmp_path: Path, is_shared: bool) -> None:
    store = JobStore(tmp_path / "jobs.sqlite")
    roster = Roster(store, is_shared)
    for name, queue in (("long", "long"), ("long-2", "long"), ("quick", "quick")):
        roster.enter(name, queue, lambda name=name, queue=queue: LaneHealth(name, queue, "cpu", True, True, False, "", None))
    run = store.add(new_row(Submission("other", "x:y", {}, "ann"), had_inputs=False), max_waiting=9).id
    first, second, other, asked = (
        store.add(new_row(Submission(queue, "x:y", {}, "ann", parent=parent), had_inputs=False), max_waiting=9)
        for queue, parent in (("long", run), ("long", run), ("long", None), ("quick", run))
    )  # fmt: skip
    taken = roster.claim("long")
    assert taken is not None and taken.id == first.id
    passed = roster.claim("long-2")
    assert passed is not None and passed.id == other.id, "it passes the part over"
    quick = roster.claim("quick")
    assert (quick.id if quick is not None else None) == (asked.id if is_shared else None)
    roster.release("long")
    roster.release("long-2")
    roster.fail_lost("quick")
    assert isinstance(store.get(first.id).state, Running), "it is another queue's"
    later = roster.claim("long")
    assert later is not None and later.id == second.id
    roster.fail_lost("long-2")
    assert isinstance(store.get(first.id).state, Failed) and isinstance(store.get(second.id).state, Running)
    store.close()


def test_parts_of_what_is_no_job_run_at_once(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite")
    for _ in range(2):
        store.add(new_row(Submission("long", "x:y", {}, "ann", parent="prepared"), had_inputs=False), max_waiting=9)
    assert store.claim("long", {"prepared"}) is not None and store.claim("long", {"prepared"}) is not None
    store.close()
