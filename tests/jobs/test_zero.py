"""Jobs on ZeroGPU hardware, with a stand-in that forks and pickles as the platform does: same store, states and work functions."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from pickle import PicklingError
from typing import Any

import gradio as gr
import pytest

from tests.support.zero_platform import REFUSALS, Platform, request
from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError
from unlearn.jobs import GpuNeed, JobLimits, Jobs, Submission, Task, WorkerSetup, ZeroGpu, spaces_package
from unlearn.jobs.states import Cancelled, Failed, Interrupted, Job, Succeeded
from unlearn.jobs.tasks import Message
from unlearn.progress import Progress

WORKS = "tests.support.job_works"
CAP_S = 90


def need(task: Task) -> GpuNeed:
    """As the request says; nothing said: not known."""
    return GpuNeed(task.request.get("needs_s"), task.request.get("before", ""))


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    made = Platform()
    monkeypatch.setitem(sys.modules, "spaces", made)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    yield made
    for pid in made.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def jobs(tmp_path: Path, spaces: Platform) -> Iterator[Jobs]:
    found = spaces_package()
    assert found is spaces
    made = Jobs(tmp_path / "data", ("forget", "quick"), JobLimits(), WorkerSetup(zero=ZeroGpu(found, CAP_S, need)))
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", **values: Any) -> Job:
    request.set(owner)
    return jobs.submit(Submission("forget", f"{WORKS}:{work}", values, owner))


def state_of(jobs: Jobs, job: Job) -> Any:
    return jobs.wait(job.id, 60.0).state


def test_package_is_used_only_on_that_hardware(spaces: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spaces_package() is spaces and not spaces.auto_wraps, "or each click on the page would ask for a GPU"
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert spaces_package() is None
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", None)  # as if it were not installed
    assert spaces_package() is None


def test_job_runs_in_a_forked_process_for_its_own_visitor(jobs: Jobs, spaces: Platform) -> None:
    first, second = submit(jobs, "count", "ann", n=5), submit(jobs, "count", "bob", n=3)
    for job, n in ((first, 5), (second, 3)):
        state = state_of(jobs, job)
        assert isinstance(state, Succeeded) and state.result["counted"] == n
        assert state.result["pid"] in spaces.pids and state.result["pid"] != os.getpid()
        assert (jobs.folder(job.id) / "done.txt").is_file()
        deadline = time.monotonic() + 30.0  # an end holds before it is written, with the losses that came with it
        while len(jobs.store.losses(job.id)) < n and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [row["step"] for row in jobs.store.losses(job.id)] == list(range(1, n + 1))
    assert spaces.lent == [("ann", CAP_S), ("bob", CAP_S)], "the GPU is lent for the request that asked"
    assert not list(jobs.runs_dir.rglob(".stop"))


def test_settings_of_the_server_reach_the_forked_process_whatever_the_environment_says(
    tmp_path: Path, spaces: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda:7")
    settings = Settings(tmp_path / "data", device="cpu", n_threads=3, offline=True, models_dir=tmp_path / "models")
    asked: list[str] = []

    def need_of(task: Task) -> GpuNeed:
        asked.append(Settings.from_plain(task.settings).device)
        return need(task)

    jobs = Jobs(tmp_path / "data", ("forget",), JobLimits(), WorkerSetup(settings.to_plain(), zero=ZeroGpu(spaces, CAP_S, need_of)))
    jobs.start()
    lent, own = (state_of(jobs, submit(jobs, "show_settings", needs_s=needs_s)) for needs_s in (None, 0))
    jobs.stop()
    for state in (lent, own):
        assert isinstance(state, Succeeded) and Settings.from_plain(state.result["settings"]) == settings
    assert lent.result["pid"] in spaces.pids and own.result["pid"] not in spaces.pids
    assert set(asked) == {"cpu"}, "so is the need of a GPU"


def test_stand_in_refuses_what_cannot_be_pickled(spaces: Platform) -> None:
    def echo(value: Any) -> Iterator[Any]:
        yield threading.Lock() if value == "lock" else value

    lent = spaces.GPU(duration=10)(echo)
    assert list(lent("text")) == ["text"]
    with pytest.raises(PicklingError):
        list(lent(threading.Lock()))
    with pytest.raises(gr.Error, match="PicklingError"):
        list(lent("lock"))


def test_message_that_cannot_be_pickled_is_a_failure_with_a_sentence(tmp_path: Path, spaces: Platform) -> None:
    def capturing(task: Task) -> Iterator[Message]:
        yield Message(task.job, Progress(1, 2), end=Succeeded({"lock": threading.Lock()}))

    zero = ZeroGpu(spaces, CAP_S)
    zero.function = spaces.GPU(duration=zero.duration)(capturing)
    jobs = Jobs(tmp_path / "data", ("forget",), JobLimits(), WorkerSetup(zero=zero))
    jobs.start()
    state = state_of(jobs, submit(jobs, "count", n=1))
    jobs.stop()
    assert isinstance(state, Failed) and "went wrong on the GPU (PicklingError)" in state.message


def test_result_that_is_no_json_is_a_failure_with_a_sentence(jobs: Jobs) -> None:
    state = state_of(jobs, submit(jobs, "tell_lock"))
    assert isinstance(state, Failed) and "TypeError" in state.message
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1)), Succeeded)


@pytest.mark.parametrize(("needs_s", "asked_s"), [(4.0, 10), (20.0, 26), (80.0, CAP_S), (90.0, CAP_S)])
def test_gpu_is_asked_for_as_long_as_the_work_needs(jobs: Jobs, spaces: Platform, needs_s: float, asked_s: int) -> None:
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1, needs_s=needs_s)), Succeeded)
    assert spaces.lent == [("ann", asked_s)]


def test_work_that_does_not_fit_is_refused_at_the_door(jobs: Jobs, spaces: Platform) -> None:
    inputs = jobs.new_inputs()
    with pytest.raises(InputError, match="needs about 91 s of a GPU, and a job may hold one for 90 s"):
        jobs.submit(Submission("forget", f"{WORKS}:count", {"n": 1, "needs_s": 90.5}, "ann"), inputs)
    assert jobs.store.find(owner="ann") == [] and spaces.lent == []
    assert list(jobs.inputs_dir.iterdir()) == [inputs], "still the caller's"


@pytest.mark.parametrize("seconds", [0, 9])
def test_gpu_seconds_too_few_for_anything_are_refused(spaces: Platform, seconds: int) -> None:
    with pytest.raises(ConfigError, match=f"--gpu-seconds is {seconds}"):
        ZeroGpu(spaces, seconds)


def test_work_without_need_of_a_gpu_asks_for_none(jobs: Jobs, spaces: Platform) -> None:
    spaces.refuses = "quota"
    first, second = submit(jobs, "count", n=2, needs_s=0), submit(jobs, "count", n=1, needs_s=0)
    pids = {state_of(jobs, job).result["pid"] for job in (first, second)}
    assert len(pids) == 1 and pids != {os.getpid()}, "one process of our own, kept for the next job"
    assert spaces.lent == []
    refused, after = submit(jobs, "count", n=1), submit(jobs, "count", n=1, needs_s=0)
    assert isinstance(state_of(jobs, refused), Failed) and isinstance(state_of(jobs, after), Succeeded)


def test_crash_of_the_process_without_a_gpu_is_told_and_overcome(jobs: Jobs) -> None:
    state = state_of(jobs, submit(jobs, "crash", needs_s=0))
    assert isinstance(state, Failed) and "killed by the system" in state.message
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1, needs_s=0)), Succeeded)


def test_part_without_need_of_a_gpu_is_done_before_one_is_asked_for(jobs: Jobs, spaces: Platform) -> None:
    state = state_of(jobs, submit(jobs, "after_look", needs_s=20.0, before=f"{WORKS}:look"))
    assert isinstance(state, Succeeded)
    assert state.result["looked"] not in spaces.pids and state.result["pid"] in spaces.pids
    state = state_of(jobs, submit(jobs, "after_look", needs_s=20.0, before=f"{WORKS}:look", refuse=True))
    assert isinstance(state, Failed) and state.message == "There are too few photos."
    assert len(spaces.lent) == 1, "nobody's share pays for photos that are too few"


def test_job_shows_its_progress_while_it_runs(jobs: Jobs) -> None:
    job = submit(jobs, "count", n=400, pause_s=0.1)
    deadline = time.monotonic() + 30.0
    while getattr(jobs.get(job.id).state, "step", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert jobs.cancel(job.id)
    assert isinstance(state_of(jobs, job), Cancelled)
    assert not jobs.folder(job.id).exists()


@pytest.mark.parametrize("needs_s", [None, 0])
def test_cancel_of_work_that_never_reports_takes_effect(jobs: Jobs, needs_s: float | None) -> None:
    job = submit(jobs, "hang", needs_s=needs_s)
    while getattr(jobs.get(job.id).state, "step", 0) < 1:
        time.sleep(0.02)
    jobs.cancel(job.id)
    assert isinstance(state_of(jobs, job), Cancelled)
    after = submit(jobs, "count", n=1, needs_s=needs_s)
    assert isinstance(state_of(jobs, after), Succeeded), "the lane goes on with a new worker"


SAID = {
    "quota": ("Your share of GPU time does not suffice", "180s requested vs. 35s left). Try again in 3:12:05."),
    "none free": ("No GPU was free", "No GPU was available after 60s"),
    "too long": (f"as long as this needs ({CAP_S} s)", "larger than the maximum allowed"),
    "stale": ("waited so long", "Expired ZeroGPU proxy token"),
}


@pytest.mark.parametrize("refusal", list(REFUSALS))
def test_refusal_is_told_in_the_platforms_own_words(jobs: Jobs, spaces: Platform, refusal: str) -> None:
    spaces.refuses = refusal
    state = state_of(jobs, submit(jobs, "count", n=5))
    assert isinstance(state, Failed)
    assert all(part in state.message for part in SAID[refusal])
    assert "<" not in state.message and "&amp;" not in state.message
    spaces.refuses = ""
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1)), Succeeded)


def test_text_of_a_foreign_error_is_not_told(jobs: Jobs, spaces: Platform) -> None:
    spaces.refuses = RuntimeError("secret name in /secret/path")
    state = state_of(jobs, submit(jobs, "count", n=5))
    assert isinstance(state, Failed) and "could not be had (RuntimeError)" in state.message and "secret" not in state.message


def test_page_that_is_closed_while_a_gpu_is_waited_for_does_not_stop_the_job(
    jobs: Jobs, spaces: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearn.jobs.zero_worker.CLOSED_PAUSE_S", 0.01)
    spaces.refuses, spaces.refusals_left = RuntimeError("Connection closed by visitor while queueing"), 1
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1)), Succeeded)
    assert len(spaces.lent) == 2
    spaces.refusals_left = 2
    state = state_of(jobs, submit(jobs, "count", n=1))
    assert isinstance(state, Failed) and "page was closed" in state.message


def test_gpu_that_is_taken_away_is_told_with_what_was_asked_for(jobs: Jobs, spaces: Platform) -> None:
    spaces.takes_away = True
    state = state_of(jobs, submit(jobs, "count", n=500, pause_s=0.5, needs_s=20.0))
    assert isinstance(state, Failed)
    assert "taken away" in state.message and "longer than the 26 s" in state.message and "GPU task aborted" in state.message
    spaces.takes_away = False
    assert isinstance(state_of(jobs, submit(jobs, "count", n=1)), Succeeded)


def test_errors_of_the_work_are_told_as_anywhere(jobs: Jobs) -> None:
    state = state_of(jobs, submit(jobs, "refuse"))
    assert isinstance(state, Failed) and state.message == "The name is empty; write one."
    state = state_of(jobs, submit(jobs, "break_down"))
    assert isinstance(state, Failed) and "ZeroDivisionError" in state.message


def test_submissions_are_told_to_whoever_asked(tmp_path: Path, jobs: Jobs, spaces: Platform) -> None:
    def task(job: str) -> Task:
        return Task(job, "work", {}, tmp_path)

    zero = ZeroGpu(spaces, CAP_S)
    with zero.submissions() as ids:
        zero.admit(task("one"))
        other = threading.Thread(target=zero.admit, args=(task("another's"),))
        other.start()
        other.join()
        zero.admit(task("two"))
    zero.admit(task("later"))
    assert ids == ["one", "two"]


def test_server_that_stops_leaves_the_job_interrupted(jobs: Jobs, tmp_path: Path) -> None:
    job = submit(jobs, "count", n=1000, pause_s=0.1)
    while jobs.get(job.id).started is None:
        time.sleep(0.05)
    jobs.stop()
    again = Jobs(tmp_path / "data", ("forget", "quick"), JobLimits())
    again.start()
    assert isinstance(again.get(job.id).state, Interrupted)
    again.stop()
