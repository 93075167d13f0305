"""News for open pages: what is told, to whom, and at what price. Without Gradio running."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from ui.page.pulse import pulses_of
from ui.server.service import Service
from ui.views import jobs
from unlearn.config import ForgetConfig, Person
from unlearn.jobs import Job

CONFIG = ForgetConfig((Person("Slow Always"),))


def running(service: Service) -> str:
    job = service.forget(CONFIG, "ann")
    deadline = time.monotonic() + 60.0
    while not service.jobs.store.losses(job.id):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job.id


def test_beat_tells_progress_once_and_changes_by_another_mark(service: Service) -> None:
    key = running(service)
    token = pulses_of(service).token("ann", key)
    told = pulses_of(service).beat(token, "")
    assert 'data-action="cancel"' in told["job"] and "<svg" in told["job"]
    again = pulses_of(service).beat(token, str(told["progress"]))
    assert again["mark"] == told["mark"] and ("job" not in again or again["progress"] != told["progress"])
    service.jobs.cancel(key)
    service.jobs.wait(key, 60.0)
    assert pulses_of(service).beat(token, "")["mark"] != told["mark"]


def test_beat_of_a_guest_shows_no_buttons_and_not_the_guests_token(service: Service) -> None:
    key = running(service)
    mine, theirs = pulses_of(service).token("ann", key), pulses_of(service).token("bob", key)
    assert mine != theirs and mine == pulses_of(service).token("ann", key)
    assert 'data-action="cancel"' not in pulses_of(service).beat(theirs, "")["job"]


def test_beat_with_an_unknown_token_says_nothing_but_ask_again(service: Service) -> None:
    assert pulses_of(service).beat("of-an-earlier-server", "") == {"mark": "", "progress": 0}


def test_beats_of_many_make_the_panel_once_a_version(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    key = running(service)
    made: list[tuple[int, bool]] = []
    panel = jobs.job_panel

    def counted(job: Job, losses: Sequence[dict[str, float]], own: bool) -> str:
        made.append((job.version, own))
        return panel(job, losses, own)

    monkeypatch.setattr(jobs, "job_panel", counted)
    tokens = [pulses_of(service).token(f"guest {i}", key) for i in range(20)]
    told = [pulses_of(service).beat(token, "") for token in tokens for _ in range(5)]
    assert all("job" in one for one in told) and 1 <= len(made) <= len({one["progress"] for one in told}) < 100


def test_page_asks_less_often_while_it_waits_for_nothing_of_its_own(service: Service) -> None:
    key = running(service)
    watched = [service.jobs.store.watch(owner, key) for owner in ("ann", "bob")]
    own, others = (pulses_of(service).pause_ms(watch) for watch in watched)
    assert own < others
