"""Jobs: order, progress, cancel, failure, restart, deletion; with work that computes nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unlearn.errors import ConfigError, InputError
from unlearn.jobs import Cancelled, Failed, Interrupted, Job, JobLimits, Jobs, Queued, Running, Succeeded

WITHIN_S = 60.0  # for a worker to start on a busy machine
LIMITS = JobLimits(niceness=0, max_waiting=3)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "data", ("long", "quick"), LIMITS)
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", lane: str = "long", **request: Any) -> Job:
    return jobs.submit(lane, f"tests.job_works:{work}", request, owner=owner, part_of=(None, None))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def is_running(jobs: Jobs, job: Job) -> bool:
    state = jobs.get(job.id).state
    return isinstance(state, Running) and state.step > 0


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---- order -------------------------------------------------------------------------------------------------------


def test_queue_two_owners_run_in_turn(tmp_path: Path) -> None:
    jobs, log = Jobs(tmp_path / "data", ("long",), LIMITS), tmp_path / "log"
    queued = [submit(jobs, "note_start", who, log=str(log), label=label)
              for who, label in (("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"))]  # fmt: skip
    assert [jobs.get(job.id).state for job in queued] == [Queued(1), Queued(3), Queued(4), Queued(2)]
    jobs.start()
    until(lambda: all(jobs.get(job.id).ended for job in queued))
    jobs.stop()
    assert log.read_text().split() == ["a1", "b1", "a2", "a3"]


def test_submit_too_many_waiting_is_refused_per_owner(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS)
    for _ in range(3):
        submit(jobs, "count", n=1)
    with pytest.raises(InputError, match="3 jobs waiting"):
        submit(jobs, "count", n=1)
    assert submit(jobs, "count", owner="bob", n=1).state == Queued(2)
    jobs.stop()


# ---- progress and result -----------------------------------------------------------------------------------------


def test_job_succeeds_with_result_files_and_all_losses(jobs: Jobs) -> None:
    job = jobs.wait(submit(jobs, "count", n=50).id, WITHIN_S)
    assert isinstance(job.state, Succeeded) and job.state.result["counted"] == 50
    assert job.state.result["pid"] != os.getpid()
    assert (jobs.folder(job.id) / "done.txt").is_file()
    losses = jobs.store.losses(job.id)
    assert [row["step"] for row in losses] == list(range(1, 51))
    assert losses[3]["clean"] == 0.25
    assert job.run_time_s is not None and job.run_time_s >= 0


def test_running_job_shows_step_and_time_left(jobs: Jobs) -> None:
    job = submit(jobs, "count", n=400, pause_s=0.02)
    until(lambda: isinstance(s := jobs.get(job.id).state, Running) and s.seconds_left is not None)
    state = jobs.get(job.id).state
    assert isinstance(state, Running)
    assert state.total == 400 and state.note == "counting" and (state.seconds_left or 0) > 0


def test_quick_lane_is_not_blocked_by_a_long_job(jobs: Jobs) -> None:
    long = submit(jobs, "count", n=10_000, pause_s=0.05)
    until(lambda: is_running(jobs, long))
    assert isinstance(jobs.wait(submit(jobs, "count", lane="quick", n=1).id, WITHIN_S).state, Succeeded)
    assert is_running(jobs, long)


# ---- cancel ------------------------------------------------------------------------------------------------------


def test_cancel_queued_job_ends_at_once(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS)
    job = submit(jobs, "count", n=1)
    assert jobs.cancel(job.id) and jobs.get(job.id).state == Cancelled(0)
    assert not jobs.cancel(job.id), "it had ended already"
    jobs.stop()


@pytest.mark.parametrize("work", ["count", "hang"])
def test_cancel_running_job_within_two_seconds_frees_the_process(jobs: Jobs, work: str) -> None:
    job = submit(jobs, work, n=100_000, pause_s=0.01)
    until(lambda: is_running(jobs, job))
    worker = jobs._lanes["long"]._worker
    assert worker is not None and worker.pid is not None
    asked = time.monotonic()
    jobs.cancel(job.id)
    until(lambda: jobs.get(job.id).ended)
    assert time.monotonic() - asked < 2.0
    assert isinstance(jobs.get(job.id).state, Cancelled)
    assert not is_alive(worker.pid), "memory is freed by ending the process"
    assert not jobs.folder(job.id).exists()
    assert isinstance(jobs.wait(submit(jobs, "count", n=1).id, WITHIN_S).state, Succeeded), "the lane goes on"


# ---- failure -----------------------------------------------------------------------------------------------------


def test_failure_by_the_user_shows_its_sentence(jobs: Jobs) -> None:
    job = jobs.wait(submit(jobs, "refuse").id, WITHIN_S)
    assert job.state == Failed("The name is empty; write one.")


def test_failure_of_the_program_has_details_and_can_be_run_again(jobs: Jobs) -> None:
    job = jobs.wait(submit(jobs, "break_down").id, WITHIN_S)
    assert isinstance(job.state, Failed)
    assert "ZeroDivisionError" in job.state.message and "secret" not in job.state.message
    assert "break_down" in job.state.details
    again = jobs.rerun(job.id, "ann")
    assert again.id != job.id and again.request == job.request


def test_crash_of_the_worker_fails_the_job_and_leaves_the_rest_alive(jobs: Jobs) -> None:
    job = jobs.wait(submit(jobs, "crash").id, WITHIN_S)
    assert isinstance(job.state, Failed) and "exit code -9" in job.state.message
    assert isinstance(jobs.wait(submit(jobs, "count", n=1).id, WITHIN_S).state, Succeeded)


# ---- restart -----------------------------------------------------------------------------------------------------


def test_restart_running_job_is_interrupted_and_queued_goes_on(tmp_path: Path) -> None:
    first = Jobs(tmp_path / "data", ("long",), LIMITS)
    first.start()
    running = submit(first, "hang")
    until(lambda: is_running(first, running))
    queued = submit(first, "count", n=2)
    first.stop()
    second = Jobs(tmp_path / "data", ("long",), LIMITS)
    second.start()
    assert second.get(running.id).state == Interrupted()
    assert not second.folder(running.id).exists(), "what is half-written does not exist"
    assert isinstance(second.wait(queued.id, WITHIN_S).state, Succeeded)
    second.stop()


def test_worker_ends_with_a_killed_server(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from unlearn.jobs import Jobs, JobLimits\n"
        "if __name__ == '__main__':\n"
        "    jobs = Jobs(Path(sys.argv[1]), ('long',), JobLimits(niceness=0)); jobs.start()\n"
        "    job = jobs.submit('long', 'tests.job_works:hang', {}, owner='a', part_of=(None, None))\n"
        "    while jobs.get(job.id).state.__class__.__name__ != 'Running' or not jobs.get(job.id).state.step:"
        " time.sleep(0.05)\n"
        "    print(jobs._lanes['long']._worker.pid, flush=True); time.sleep(600)\n"
    )
    program = tmp_path / "server.py"
    program.write_text(script, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    server = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "data")], stdout=subprocess.PIPE, text=True, env=env
    )
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    server.kill()
    server.wait()
    server.stdout.close()
    until(lambda: not is_alive(pid))


def test_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Jobs(tmp_path / "data", ("long",), LIMITS)
    with pytest.raises(ConfigError, match="Another server"):
        Jobs(tmp_path / "data", ("long",), LIMITS)
    first.stop()
    Jobs(tmp_path / "data", ("long",), LIMITS).stop()


# ---- deletion ----------------------------------------------------------------------------------------------------


def test_delete_removes_files_parts_and_every_trace_in_the_database(jobs: Jobs, tmp_path: Path) -> None:
    name = "Zebulon Quartermain"
    job = jobs.wait(submit(jobs, "count", n=3, name=name).id, WITHIN_S)
    part = jobs.submit("quick", "tests.job_works:count", {"n": 1, "name": name}, owner="ann", part_of=(job.id, None))
    jobs.wait(part.id, WITHIN_S)
    gone = jobs.delete(job.id)
    assert (gone.n_jobs, gone.n_files) == (2, 2)
    assert not jobs.folder(job.id).exists() and not jobs.folder(part.id).exists()
    for job_id in (job.id, part.id):
        with pytest.raises(InputError, match="no such job"):
            jobs.get(job_id)
    left = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert name.encode() not in left and job.id.encode() not in left


def test_delete_running_job_stops_it_first(jobs: Jobs) -> None:
    job = submit(jobs, "hang")
    until(lambda: is_running(jobs, job))
    jobs.delete(job.id)
    assert not jobs.folder(job.id).exists()
    assert isinstance(jobs.wait(submit(jobs, "count", n=1).id, WITHIN_S).state, Succeeded)


def test_expire_deletes_only_what_is_old_enough(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), JobLimits(niceness=0, retention_s=100.0))
    old, new = submit(jobs, "count", n=1), submit(jobs, "count", n=1)
    for job in (old, new):
        jobs.cancel(job.id)
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as database:
        database.execute("UPDATE job SET finished = ? WHERE id = ?", (time.time() - 200, old.id))
    database.close()
    assert jobs.expire() == 1
    assert [job.id for job in jobs.store.find(owner="ann")] == [new.id]
    jobs.stop()


def test_find_lists_only_the_owners_jobs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS)
    mine, theirs = submit(jobs, "count", n=1), submit(jobs, "count", owner="bob", n=1)
    assert [job.id for job in jobs.store.find(owner="ann")] == [mine.id]
    assert [job.id for job in jobs.store.find(owner="bob")] == [theirs.id]
    jobs.stop()


# ---- files that jobs are given -----------------------------------------------------------------------------------


def given(jobs: Jobs, text: str = "secret") -> Path:
    folder = jobs.new_inputs()
    (folder / "000.bin").write_text(text, encoding="utf-8")
    return folder


def test_inputs_are_the_jobs_own_copied_for_another_run_and_deleted_with_it(jobs: Jobs) -> None:
    job = jobs.submit("long", "tests.job_works:read_inputs", {}, owner="ann", part_of=(None, None), inputs=given(jobs))
    state = jobs.wait(job.id, 20.0).state
    assert isinstance(state, Succeeded) and state.result == {"read": "secret"}
    again = jobs.rerun(job.id, "ann")
    assert isinstance(jobs.wait(again.id, 20.0).state, Succeeded)
    assert jobs.delete(job.id).n_files == 1
    assert [folder.name for folder in jobs.inputs_dir.iterdir()] == [again.id]
    jobs.delete(again.id)
    assert list(jobs.inputs_dir.iterdir()) == []


def test_part_of_a_job_is_deleted_with_it(jobs: Jobs) -> None:
    first, second = (submit(jobs, "count", n=1) for _ in range(2))
    jobs.wait(second.id, 20.0)
    jobs.store.set_parent(first.id, second.id)
    assert jobs.delete(second.id).n_jobs == 2
