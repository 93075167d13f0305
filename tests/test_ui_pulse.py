"""News for open pages: what is told, to whom, and at what price. Without Gradio running."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ui.options import Options
from ui.service import Service
from unlearn.config import ForgetConfig, Person, Settings

CONFIG = ForgetConfig((Person("Slow Always"),))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(Settings(data_dir=tmp_path / "data"), Options(backend="tests.ui_fixture"))
    made.start()
    yield made
    made.stop()


def running(service: Service) -> str:
    job = service.forget(CONFIG, "ann")
    deadline = time.monotonic() + 60.0
    while not service.jobs.store.losses(job.id):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job.id


def test_beat_tells_progress_once_and_changes_by_another_mark(service: Service) -> None:
    key = running(service)
    token = service.pulses.token("ann", key)
    told = service.pulses.beat(token, "")
    assert 'data-action="cancel"' in told["job"] and "<svg" in told["job"]
    again = service.pulses.beat(token, str(told["progress"]))
    assert again["mark"] == told["mark"] and ("job" not in again or again["progress"] != told["progress"])
    service.jobs.cancel(key)
    service.jobs.wait(key, 5.0)
    assert service.pulses.beat(token, "")["mark"] != told["mark"]


def test_beat_of_a_guest_shows_no_buttons_and_not_the_guests_token(service: Service) -> None:
    key = running(service)
    mine, theirs = service.pulses.token("ann", key), service.pulses.token("bob", key)
    assert mine != theirs and mine == service.pulses.token("ann", key)
    assert 'data-action="cancel"' not in service.pulses.beat(theirs, "")["job"]


def test_beat_with_an_unknown_token_says_nothing_but_ask_again(service: Service) -> None:
    assert service.pulses.beat("of-an-earlier-server", "") == {"mark": "", "progress": 0}


def test_beat_costs_little_cpu(service: Service) -> None:
    """Twenty visitors who ask every 1.5 s may take 5 % of a core: 3.7 ms a beat; the limit here is wider, for busy machines."""
    key = running(service)
    tokens = [service.pulses.token(f"guest {i}", key) for i in range(20)]
    service.pulses.beat(tokens[0], "")
    before = time.thread_time()
    for token in tokens * 5:
        service.pulses.beat(token, "")
    assert (time.thread_time() - before) / 100 < 0.02
