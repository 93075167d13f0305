"""Jobs on ZeroGPU hardware, with a stand-in for the platform's package: same store, same states, same work functions."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unlearn.jobs import Cancelled, Failed, Interrupted, Job, JobLimits, Jobs, Succeeded, ZeroGpu, spaces_package

WORKS = "tests.job_works"
request: ContextVar[str] = ContextVar("request", default="nobody")


class FakeSpaces(ModuleType):
    """`spaces.GPU` that notes for whom and how long it lent, and can refuse or take away."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.lent: list[tuple[str, int]] = []
        self.refuses = self.takes_away = False

    def GPU(self, duration: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            def lend(*arguments: Any) -> Iterator[Any]:
                self.lent.append((request.get(), duration))
                if self.refuses:
                    raise RuntimeError("You have exceeded your GPU quota, secret name")
                for message in function(*arguments):
                    yield message
                    if self.takes_away:
                        return

            return lend

        return decorate


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> FakeSpaces:
    made = FakeSpaces()
    monkeypatch.setitem(sys.modules, "spaces", made)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return made


@pytest.fixture
def jobs(tmp_path: Path, spaces: FakeSpaces) -> Iterator[Jobs]:
    found = spaces_package()
    assert found is spaces
    made = Jobs(tmp_path / "data", ("forget", "quick"), JobLimits(), "nobody:warms_up", ZeroGpu(found, 90))
    made.start()
    yield made
    made.stop()


def submit(jobs: Jobs, work: str, owner: str = "ann", **values: Any) -> Job:
    request.set(owner)
    return jobs.submit("forget", f"{WORKS}:{work}", values, owner=owner, part_of=(None, None))


def test_package_is_used_only_on_that_hardware(spaces: FakeSpaces, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spaces_package() is spaces
    monkeypatch.delenv("SPACES_ZERO_GPU")
    assert spaces_package() is None
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", None)  # as if it were not installed
    assert spaces_package() is None


def test_job_runs_in_the_decorated_generator_for_its_own_visitor(jobs: Jobs, spaces: FakeSpaces) -> None:
    first, second = submit(jobs, "count", "ann", n=5), submit(jobs, "count", "bob", n=3)
    for job, n in ((first, 5), (second, 3)):
        ended = jobs.wait(job.id, 10.0)
        assert isinstance(ended.state, Succeeded) and ended.state.result["counted"] == n
        assert (jobs.folder(job.id) / "done.txt").is_file()
        assert [row["step"] for row in jobs.store.losses(job.id)] == list(range(1, n + 1))
    assert spaces.lent == [("ann", 90), ("bob", 90)], "the GPU is lent for the request that asked"
    assert not list(jobs.runs_dir.rglob(".stop"))


def test_job_shows_its_progress_while_it_runs(jobs: Jobs) -> None:
    job = submit(jobs, "count", n=40, pause_s=0.1)
    deadline = time.monotonic() + 10.0
    while getattr(jobs.get(job.id).state, "step", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert jobs.cancel(job.id)
    assert isinstance(jobs.wait(job.id, 2.0).state, Cancelled)
    assert not jobs.folder(job.id).exists()


def test_cancel_of_work_that_never_reports_takes_effect_within_two_seconds(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    monkeypatch.setattr("tests.job_works.time.sleep", lambda seconds: stuck.wait(20.0))
    job = submit(jobs, "hang")
    while jobs.get(job.id).started is None:
        stuck.wait(0.02)
    jobs.cancel(job.id)
    assert isinstance(jobs.wait(job.id, 2.0).state, Cancelled)
    after = submit(jobs, "count", n=1)
    stuck.set()
    assert isinstance(jobs.wait(after.id, 10.0).state, Succeeded), "the lane goes on with a new worker"


@pytest.mark.parametrize("trouble", ["refuses", "takes_away"])
def test_gpu_that_is_refused_or_taken_away_is_a_failure_with_a_sentence(
    jobs: Jobs, spaces: FakeSpaces, trouble: str
) -> None:
    setattr(spaces, trouble, True)
    state = jobs.wait(submit(jobs, "count", n=5, pause_s=0.5).id, 10.0).state
    assert isinstance(state, Failed) and "GPU could not be had" in state.message and "secret" not in state.message
    setattr(spaces, trouble, False)
    assert isinstance(jobs.wait(submit(jobs, "count", n=1).id, 10.0).state, Succeeded)


def test_errors_of_the_work_are_told_as_anywhere(jobs: Jobs) -> None:
    state = jobs.wait(submit(jobs, "refuse").id, 10.0).state
    assert isinstance(state, Failed) and state.message == "The name is empty; write one."
    state = jobs.wait(submit(jobs, "break_down").id, 10.0).state
    assert isinstance(state, Failed) and "ZeroDivisionError" in state.message


def test_server_that_stops_leaves_the_job_interrupted(jobs: Jobs, tmp_path: Path) -> None:
    job = submit(jobs, "count", n=100, pause_s=0.1)
    while jobs.get(job.id).started is None:
        time.sleep(0.05)
    jobs.stop()
    again = Jobs(tmp_path / "data", ("forget", "quick"), JobLimits())
    again.start()
    assert isinstance(again.get(job.id).state, Interrupted)
    again.stop()
