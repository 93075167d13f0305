"""Jobs: order, progress, cancel, failure, restart, deletion; with work that computes nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import WITHIN_S, until
from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError, UnlearnError
from unlearn.jobs import (
    Cancelled,
    Failed,
    Interrupted,
    Job,
    JobLimits,
    Jobs,
    Queued,
    Running,
    Submission,
    Succeeded,
    WorkerSetup,
    retention,
    store,
)
from unlearn.progress import Progress

LIMITS = JobLimits(niceness=0, max_waiting=3)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path / "data", ("long", "quick"), LIMITS)
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", lane: str = "long", **request: Any) -> Job:
    return jobs.submit(Submission(lane, f"tests.support.job_works:{work}", request, owner))


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


# ---- settings ----------------------------------------------------------------------------------------------------


def test_settings_of_the_server_reach_worker_and_warm_up_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda:7")
    monkeypatch.setenv("UNLEARN_DATA_DIR", "elsewhere")
    settings = Settings(tmp_path / "data", device="cpu", n_threads=3, offline=True, max_zip_mb=7, face_root=tmp_path / "packs")
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS, WorkerSetup(settings.to_plain(), "tests.support.job_works:warm_up"))
    jobs.start()
    state = jobs.wait(submit(jobs, "show_settings").id, WITHIN_S).state
    jobs.stop()
    assert isinstance(state, Succeeded) and state.result["pid"] != os.getpid()
    assert Settings.from_plain(state.result["settings"]) == settings and state.result["environment"] == "cuda:7"
    assert state.result["warm"] == settings.to_plain()


def test_settings_that_cannot_be_used_fail_the_job_with_a_sentence(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS, WorkerSetup({"device": "abacus"}))
    jobs.start()
    state = jobs.wait(submit(jobs, "show_settings").id, WITHIN_S).state
    jobs.stop()
    assert isinstance(state, Failed) and "device is 'abacus'; use auto" in state.message


def test_queued_job_takes_the_settings_of_the_server_that_runs_it(tmp_path: Path) -> None:
    first = Jobs(tmp_path / "data", ("long",), LIMITS, WorkerSetup(Settings(tmp_path, device="cpu").to_plain()))
    job = submit(first, "show_settings")
    first.stop()
    second = Jobs(tmp_path / "data", ("long",), LIMITS, WorkerSetup(Settings(tmp_path, device="cuda").to_plain()))
    second.start()
    state = second.wait(job.id, WITHIN_S).state
    second.stop()
    assert isinstance(state, Succeeded) and state.result["settings"]["device"] == "cuda"


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
    assert "tests/support/job_works.py:" in job.state.details and "break_down" in job.state.details
    assert "secret" not in job.state.details and str(Path.cwd()) not in job.state.details
    again = jobs.rerun(job.id, "ann")
    assert again.id != job.id and again.request == job.request


def test_crash_of_the_worker_fails_the_job_and_leaves_the_rest_alive(jobs: Jobs) -> None:
    job = jobs.wait(submit(jobs, "crash").id, WITHIN_S)
    assert isinstance(job.state, Failed) and "exit code -9" in job.state.message
    assert isinstance(jobs.wait(submit(jobs, "count", n=1).id, WITHIN_S).state, Succeeded)


@pytest.mark.parametrize(("at", "words"), [("gpu", "GPU"), ("cpu", "machine"), ("python", "machine"), ("loading", "machine")])
def test_lack_of_memory_is_named_and_the_worker_replaced(jobs: Jobs, at: str, words: str) -> None:
    lane = jobs._lanes["long"]
    job = jobs.wait(submit(jobs, "run_out_of_memory", at=at).id, WITHIN_S)
    assert isinstance(job.state, Failed)
    assert f"The memory of th{'e' if at == 'gpu' else 'is'} {words} did not suffice" in job.state.message
    assert "fewer portraits" in job.state.message and "Secret" not in job.state.message + job.state.details
    until(lambda: lane._worker is not None)
    after = jobs.wait(submit(jobs, "tell", label="x").id, WITHIN_S).state
    assert isinstance(after, Succeeded)


@pytest.mark.parametrize(("work", "is_same"), [("break_down", False), ("refuse", True)])
def test_worker_is_replaced_after_an_unexpected_failure_only(jobs: Jobs, work: str, is_same: bool) -> None:
    before, _, after = (jobs.wait(submit(jobs, one, label="x").id, WITHIN_S).state for one in ("tell", work, "tell"))
    assert isinstance(before, Succeeded) and isinstance(after, Succeeded)
    assert (before.result["pid"] == after.result["pid"]) is is_same


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
        "import sys, time; from pathlib import Path; from unlearn.jobs import Jobs, JobLimits, Submission\n"
        "if __name__ == '__main__':\n"
        "    jobs = Jobs(Path(sys.argv[1]), ('long',), JobLimits(niceness=0)); jobs.start()\n"
        "    job = jobs.submit(Submission('long', 'tests.support.job_works:hang', {}, 'a'))\n"
        "    while jobs.get(job.id).state.__class__.__name__ != 'Running' or not jobs.get(job.id).state.step:"
        " time.sleep(0.05)\n"
        "    print(jobs._lanes['long']._worker.pid, flush=True); time.sleep(600)\n"
    )
    program = tmp_path / "server.py"
    program.write_text(script, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
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


def on_disk(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


def test_delete_claims_success_only_when_nothing_is_left_though_somebody_reads(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ERASE_WITHIN_S", 0.3)
    name = "Zebulon Quartermain"
    job = jobs.wait(submit(jobs, "tell", label=name).id, WITHIN_S)
    jobs.store.progress(job.id, Progress(1, 1))
    reader = sqlite3.connect(tmp_path / "data" / "jobs.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM job").fetchall()
    with pytest.raises(UnlearnError, match="still on the disk"):
        jobs.delete(job.id)
    with pytest.raises(InputError, match="no such job"):
        jobs.get(job.id)
    with pytest.raises(UnlearnError, match="still on the disk"):
        jobs.expire()
    reader.execute("COMMIT")
    reader.close()
    jobs.expire()  # the server does so every minute
    assert name.encode() not in on_disk(tmp_path) and job.id.encode() not in on_disk(tmp_path)


def test_delete_waits_for_a_reader_who_is_soon_done(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.wait(submit(jobs, "tell", label="Zebulon Quartermain").id, WITHIN_S)
    reader = sqlite3.connect(tmp_path / "data" / "jobs.sqlite", isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM job").fetchall()
    threading.Timer(0.5, reader.execute, ("COMMIT",)).start()
    assert jobs.delete(job.id).n_jobs == 1
    assert b"Zebulon" not in on_disk(tmp_path)
    reader.close()


def test_delete_removes_files_parts_and_every_trace_in_the_database(jobs: Jobs, tmp_path: Path) -> None:
    name = "Zebulon Quartermain"
    job = jobs.wait(submit(jobs, "count", n=3, name=name).id, WITHIN_S)
    part = jobs.submit(Submission("quick", "tests.support.job_works:count", {"n": 1, "name": name}, "ann", parent=job.id))
    jobs.wait(part.id, WITHIN_S)
    gone = jobs.delete(job.id)
    assert (gone.n_jobs, gone.n_files) == (2, 2)
    assert not jobs.folder(job.id).exists() and not jobs.folder(part.id).exists()
    for job_id in (job.id, part.id):
        with pytest.raises(InputError, match="no such job"):
            jobs.get(job_id)
    left = on_disk(tmp_path)
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


def test_expire_own_time_is_sooner_and_a_part_stays_with_its_parent(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), JobLimits(niceness=0, retention_s=1000.0, max_waiting=9))
    alone, part, parent = (
        jobs.submit(Submission("long", "x:y", {}, "ann", keep_s=keep_s)) for keep_s in (100.0, 100.0, None)
    )  # fmt: skip
    jobs.set_parent(part.id, parent.id)
    for job in (alone, part, parent):
        jobs.cancel(job.id)
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as database:
        database.execute("UPDATE job SET finished = ?", (time.time() - 200,))
    database.close()
    assert jobs.expire() == 1 and {job.id for job in jobs.store.find(owner="ann")} == {part.id, parent.id}
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as database:
        database.execute("UPDATE job SET finished = ?", (time.time() - 2000,))
    database.close()
    assert jobs.expire() == 2
    jobs.stop()


@pytest.mark.parametrize("hours", [-1000.0, 1000.0])
def test_no_time_is_negative_when_the_clock_is_set(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    job = submit(jobs, "count", n=150, pause_s=0.02)
    until(lambda: is_running(jobs, job))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    until(lambda: getattr(jobs.get(job.id).state, "seconds_left", None) is not None)
    state = jobs.get(job.id).state
    assert isinstance(state, Running) and 0 < (state.seconds_left or 0) < 36_000, "a hundredth of what the clock was set by"
    ended = jobs.wait(job.id, WITHIN_S)
    assert isinstance(ended.state, Succeeded) and ended.run_time_s is not None and 0 < ended.run_time_s < 36_000


def test_turns_and_ages_do_not_depend_on_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), JobLimits(niceness=0, max_waiting=9, retention_s=5.0))
    ids, real = [], time.time
    for number, owner in enumerate(("ann", "ann", "bob", "bob")):
        monkeypatch.setattr(time, "time", lambda number=number: real() - number * 3600)
        ids.append(submit(jobs, "count", owner, n=1).id)
    assert [job.id for job in jobs.store.find()] == ids[::-1], "newest first"
    order = []
    for number in range(4):
        monkeypatch.setattr(time, "time", lambda number=number: real() - number * 7200)
        job = jobs.store.claim("long")
        assert job is not None
        order.append(ids.index(job.id))
        jobs.store.finish(job.id, Succeeded({}))
    assert order == [0, 2, 1, 3], "in turn"
    monkeypatch.setattr(time, "time", lambda: real() - 1e6)
    assert jobs.expire() == 0
    monkeypatch.setattr(time, "monotonic", lambda mono=time.monotonic: mono() + 6.0)
    assert jobs.expire() == 4, "though they end in the future"
    jobs.stop()


def test_job_that_ended_in_the_future_is_kept_no_longer_than_others(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long",), LIMITS)
    job = submit(jobs, "count", n=1)
    jobs.cancel(job.id)
    with sqlite3.connect(tmp_path / "data" / "jobs.sqlite") as database:
        database.execute("UPDATE job SET finished = ?", (time.time() + 1e6,))
    database.close()
    jobs.stop()
    again = Jobs(tmp_path / "data", ("long",), LIMITS)
    again.start()
    assert (again.get(job.id).finished or 0) <= time.time()
    again.stop()


def test_folders_that_belong_to_no_job_expire_too(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, theirs, kept = jobs.runs_dir / ("x" * 22), jobs.runs_dir / "by-hand", jobs.folder(submit(jobs, "hang").id)
    damaged = jobs.runs_dir.parent / "jobs.sqlite.damaged-1"
    for folder in (lost, theirs, kept):
        folder.mkdir(exist_ok=True)
    damaged.write_text("x")
    jobs.expire()
    assert lost.is_dir() and damaged.is_file()
    monkeypatch.setattr(retention, "_age_s", lambda path: 1e9)
    jobs.expire()
    assert not lost.exists() and not damaged.exists() and theirs.is_dir() and kept.is_dir()


# ---- limits ------------------------------------------------------------------------------------------------------


def test_whole_queue_is_limited(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long", "quick"), JobLimits(max_queued=3))
    for owner, lane in (("ann", "long"), ("bob", "quick"), ("eve", "long")):
        submit(jobs, "count", owner, lane, n=1)
    inputs = given(jobs)
    with pytest.raises(InputError, match="3 jobs are waiting already"):
        jobs.submit(Submission("long", "x:y", {}, "joe"), inputs)
    assert list(jobs.inputs_dir.iterdir()) == []
    jobs.stop()


def test_job_that_runs_too_long_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "data", ("long", "quick"), JobLimits(niceness=0, max_run_s=None, max_quick_run_s=None))
    jobs.start()
    jobs.wait(submit(jobs, "tell", label="x").id, WITHIN_S)  # the process is there
    jobs._lanes["long"]._max_run_s = 1.0
    stuck, quick = submit(jobs, "hang"), submit(jobs, "count", lane="quick", n=100, pause_s=0.02)
    worker = jobs._lanes["long"]._worker
    assert worker is not None and worker.pid is not None
    state = jobs.wait(stuck.id, WITHIN_S).state
    assert isinstance(state, Failed) and "stopped after 1 seconds" in state.message
    assert not is_alive(worker.pid) and not jobs.folder(stuck.id).exists()
    jobs._lanes["long"]._max_run_s = WITHIN_S
    assert isinstance(jobs.wait(submit(jobs, "tell", label="x").id, WITHIN_S).state, Succeeded)
    assert isinstance(jobs.wait(quick.id, WITHIN_S).state, Succeeded)
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


def with_inputs(jobs: Jobs, work: str = "read_inputs", **more: Any) -> Job:
    return jobs.submit(Submission("long", f"tests.support.job_works:{work}", {}, "ann", **more), given(jobs))


def test_inputs_are_the_jobs_own_and_gone_once_it_has_succeeded(jobs: Jobs) -> None:
    job = jobs.wait(with_inputs(jobs).id, WITHIN_S)
    assert isinstance(job.state, Succeeded) and job.state.result == {"read": "secret"}
    assert list(jobs.inputs_dir.iterdir()) == []
    for again in (lambda: jobs.rerun(job.id, "ann"), lambda: jobs.new_inputs(like=job.id)):
        with pytest.raises(InputError, match="photos of this job were deleted"):
            again()
    assert list(jobs.inputs_dir.iterdir()) == []


def test_empty_folder_of_inputs_is_none_so_that_the_job_can_be_run_again(jobs: Jobs) -> None:
    job = jobs.submit(Submission("long", "tests.support.job_works:count", {"n": 1}, "ann"), jobs.new_inputs())
    assert isinstance(jobs.wait(job.id, WITHIN_S).state, Succeeded) and not job.had_inputs
    assert isinstance(jobs.wait(jobs.rerun(job.id, "ann").id, WITHIN_S).state, Succeeded)
    assert list(jobs.inputs_dir.iterdir()) == []


def test_inputs_of_a_job_that_failed_can_be_used_again_within_the_hour(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.wait(with_inputs(jobs, "refuse").id, WITHIN_S)
    jobs.expire()
    again = jobs.wait(jobs.rerun(job.id, "ann").id, WITHIN_S)
    assert isinstance(again.state, Failed)
    assert {folder.name for folder in jobs.inputs_dir.iterdir()} == {job.id, again.id}
    monkeypatch.setattr(retention, "KEEP_INPUTS_S", 0.0)
    jobs.expire()
    assert list(jobs.inputs_dir.iterdir()) == [] and jobs.get(job.id).ended
    with pytest.raises(InputError, match="choose them again"):
        jobs.rerun(job.id, "ann")


def test_inputs_that_are_kept_go_when_the_job_becomes_part_of_another(jobs: Jobs) -> None:
    job, other = jobs.wait(with_inputs(jobs, keeps_inputs=True).id, WITHIN_S), submit(jobs, "count", n=1)
    copied = jobs.new_inputs(like=job.id)
    assert (copied / "000.bin").read_text() == "secret"
    jobs.set_parent(job.id, other.id)
    assert list(jobs.inputs_dir.iterdir()) == [copied]


def test_part_of_a_job_is_deleted_with_it(jobs: Jobs) -> None:
    first, second = (submit(jobs, "count", n=1) for _ in range(2))
    jobs.wait(second.id, 20.0)
    jobs.store.set_parent(first.id, second.id)
    assert jobs.delete(second.id).n_jobs == 2
