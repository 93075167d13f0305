"""Jobs on Ray actors: two lanes of a Ray on this machine. Files travel, ends are true, and nothing of a job stays in Ray."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import until, until_at_work
from unlearn.cluster.ray_cluster import RayCluster
from unlearn.cluster.ray_worker import RemoteLanes
from unlearn.config import Settings
from unlearn.jobs import Cancelled, Failed, Job, JobLimits, Jobs, Submission, Succeeded, Task, WorkerSetup, inputs_of

WITHIN_S = 120.0  # for an actor to start on a busy machine
NAME = "Zebulon Quartermain"

slow = pytest.mark.slow  # those that wait for further processes; the others share the one Ray that two busy cores start in half a minute


def folders_of(task: Task) -> list[str]:
    asked = task.request.get("run")
    return [f"inputs/{inputs_of(task.folder).name}", *([f"runs/{asked}"] if asked else [])]


@pytest.fixture(scope="module")
def jobs(cluster: RayCluster, data_dir: Path) -> Iterator[Jobs]:
    lanes = RemoteLanes(cluster, data_dir, folders_of)
    setup = WorkerSetup(Settings(data_dir, device="auto").to_plain(), devices=lanes.devices, remote=lanes.worker)
    made = Jobs(data_dir, ("long", "quick"), JobLimits(niceness=0, max_waiting=99), setup)
    made.start()
    yield made
    made.stop()
    assert list((data_dir / "lanes").iterdir()) == [], "the lanes' machines keep nothing"


def submit(jobs: Jobs, work: str, queue: str = "long", inputs: Path | None = None, **request: Any) -> Job:
    return jobs.submit(Submission(queue, f"tests.support.job_works:{work}", {"name": NAME, **request}, "ann"), inputs)


def result_of(jobs: Jobs, job: Job) -> dict[str, Any]:
    state = jobs.wait(job.id, WITHIN_S).state
    assert isinstance(state, Succeeded), state
    return state.result


def given(jobs: Jobs) -> Path:
    folder = jobs.new_inputs()
    (folder / "000.bin").write_text(NAME, encoding="utf-8")
    return folder


# ---- work --------------------------------------------------------------------------------------------------------


@slow
def test_two_lanes_work_at_the_same_time_and_tell_their_device(jobs: Jobs, tmp_path: Path) -> None:
    both = [submit(jobs, "meet", folder=str(tmp_path), n=2) for _ in range(2)]
    results = [result_of(jobs, job) for job in both]
    assert {result["device"] for result in results} == {"cpu"} and len({result["pid"] for result in results}) == 2
    assert os.getpid() not in {psutil.Process(result["pid"]).ppid() for result in results}, "an actor's process"
    assert [lane.lane for lane in jobs.health().lanes] == ["long", "long-2", "quick", "quick-2"] and jobs.health().is_well


def test_progress_and_losses_come_as_from_a_process_of_our_own(jobs: Jobs) -> None:
    job = submit(jobs, "count", n=50, pause_s=0.02)
    until_at_work(jobs, job, within_s=WITHIN_S)
    assert result_of(jobs, job)["counted"] == 50
    assert [row["step"] for row in jobs.store.losses(job.id)] == list(range(1, 51))
    assert (jobs.folder(job.id) / "done.txt").read_text() == "done"


def test_files_of_a_job_travel_there_and_what_it_changed_back(jobs: Jobs, data_dir: Path) -> None:
    asked = jobs.runs_dir / "asked"
    asked.mkdir()
    (asked / "log").write_text("l")
    large = os.urandom(9 * 2**20 + 1)
    (asked / "weights").write_bytes(large)
    written = (asked / "weights").stat().st_mtime_ns
    job = submit(jobs, "use_up_inputs", inputs=given(jobs), run="asked")
    result = result_of(jobs, job)
    assert result["read"] == NAME and Path(result["data_dir"]) != data_dir
    assert (asked / "log").read_text() == "l and more" and (jobs.folder(job.id) / "result.txt").read_text() == "done"
    assert (asked / "weights").read_bytes() == large and (asked / "weights").stat().st_mtime_ns == written, "it was not written again"
    assert list(jobs.inputs_dir.iterdir()) == [] and not list(Path(result["data_dir"]).glob("*/*")), "there they are removed"


# ---- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("work", ["count", pytest.param("hang", marks=slow)])
def test_cancel_ends_the_process_there(jobs: Jobs, work: str) -> None:
    job = submit(jobs, work, n=100_000, pause_s=0.01)
    until_at_work(jobs, job, within_s=WITHIN_S)
    assert jobs.cancel(job.id)
    until(lambda: jobs.get(job.id).ended, WITHIN_S)
    assert isinstance(jobs.get(job.id).state, Cancelled) and not jobs.folder(job.id).exists()
    until(lambda: not list((jobs.runs_dir.parent / "lanes").glob(f"*/runs/{job.id}")), WITHIN_S)


@slow
def test_failures_have_their_sentences(jobs: Jobs) -> None:
    refused, broken, crashed = (jobs.wait(submit(jobs, work).id, WITHIN_S).state for work in ("refuse", "break_down", "crash"))
    assert refused == Failed("The name is empty; write one.")
    assert isinstance(broken, Failed) and "ZeroDivisionError" in broken.message and "job_works.py" in broken.details
    assert isinstance(crashed, Failed) and "exit code -9" in crashed.message


@slow
def test_job_of_an_actor_that_is_killed_fails_and_runs_again_on_the_one_that_comes_back(jobs: Jobs, data_dir: Path) -> None:
    pid = result_of(jobs, submit(jobs, "tell", "quick", label="x"))["pid"]
    job = submit(jobs, "count", "quick", inputs=given(jobs), n=100_000, pause_s=0.01)
    until_at_work(jobs, job, within_s=WITHIN_S)
    actor = psutil.Process(pid).parent()
    assert actor is not None and actor.pid != os.getpid()
    actor.send_signal(signal.SIGKILL)
    until(lambda: jobs.get(job.id).ended, WITHIN_S)
    state = jobs.get(job.id).state
    assert isinstance(state, Failed) and "ended unexpectedly" in state.message and "Run it again" in state.message
    again = jobs.rerun(job.id, "ann")
    until_at_work(jobs, again, within_s=WITHIN_S)
    assert jobs.cancel(again.id)
    assert result_of(jobs, submit(jobs, "tell", "quick", label="x"))["pid"] != pid
    until(lambda: not list((data_dir / "lanes").glob(f"*/*/{job.id}")), WITHIN_S)


def test_server_alone_writes_the_list_of_jobs(jobs: Jobs, data_dir: Path) -> None:
    result_of(jobs, submit(jobs, "tell", label="x"))
    writers = [process.pid for process in psutil.process_iter() if _has_open(process, data_dir / "jobs.sqlite")]
    assert writers == [os.getpid()]
    with sqlite3.connect(data_dir / "jobs.sqlite") as database:
        assert database.execute("SELECT count(*) FROM job WHERE state = 'running'").fetchone() == (0,)
    database.close()


def _has_open(process: psutil.Process, path: Path) -> bool:
    try:
        return any(file.path == str(path) for file in process.open_files())
    except psutil.Error:
        return False


# ---- privacy -----------------------------------------------------------------------------------------------------


def test_ray_listens_on_loopback_only_and_keeps_the_servers_signals(cluster: RayCluster) -> None:
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    addresses = {row.laddr.ip for process in processes for row in process.net_connections() if row.status == psutil.CONN_LISTEN}
    assert addresses and addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@slow
def test_nothing_of_a_job_stands_in_rays_logs(jobs: Jobs, cluster: RayCluster) -> None:
    for work in ("break_down", "tell_odd_text", "use_up_inputs"):  # of the last the input is missing
        assert isinstance(jobs.wait(submit(jobs, work, run="gone").id, WITHIN_S).state, Failed)
    logs = [path for folder in cluster.folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" and path.stat().st_size for path in logs), "they were looked at"
    assert [path for path in logs if NAME.encode() in path.read_bytes()] == []
