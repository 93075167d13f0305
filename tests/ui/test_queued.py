"""Events that submit jobs on ZeroGPU hardware: they carry the visitor's token, stay until the job is under way; no others are queued."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from tests.support.zero_platform import Platform
from tests.ui.test_faces import NAME, photo_files
from ui import build_app
from ui.page import queued
from ui.server import photo_sets
from ui.server.options import Options
from ui.server.service import Service
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import InputError
from unlearn.jobs import Failed, GpuNeed, Succeeded, ZeroGpu

SUBMIT = {"start", "example", "draw", "predict", "attack", "probe", "draw-chosen", "terms", "audience-draw", "verify"}
TOKEN = "the visitor's"


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    for pid in made.pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def lent(tmp_path: Path, platform: Platform) -> Iterator[Service]:
    """What is behind the page, on ZeroGPU hardware; the test backend's work, whose need of a GPU is not known."""
    zero = ZeroGpu(platform, 90)
    made = Service(Settings(data_dir=tmp_path / "lent"), Options(backend="tests.support.ui_fixture", zero=zero))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def address(lent: Service) -> Iterator[str]:
    blocks = build_app(lent)
    blocks.launch(server_name="127.0.0.1", server_port=_free_port(), prevent_thread_lock=True, quiet=True, _frontend=False)
    lent.page = blocks  # type: ignore[attr-defined]
    yield f"http://127.0.0.1:{blocks.server_port}/gradio_api"
    blocks.close()


def _free_port() -> int:
    from tests.support.running_app import free_port

    return free_port()


def _listeners(blocks: gr.Blocks) -> dict[str, Any]:
    """The page's events with a function of ours, by the element that they listen to."""
    found = {}
    for function in blocks.fns.values():
        for target, event in function.targets:
            block = blocks.blocks.get(target)
            if event == "click" and function.fn is not None and block is not None:
                found[getattr(block, "elem_id", None) or f"{block}-{target}"] = function
    return found


def _press(address: str, function: Any, values: list[Any], session: str = "session", memory: Any = None) -> list[dict[str, Any]]:
    """Fire a queued event as the browser does in a frame of the Hub; the messages of its answer."""
    body = {"data": [memory, None, *values], "fn_index": function._id, "session_hash": session, "event_data": None, "trigger_id": None}
    with httpx.Client(headers={"X-IP-Token": TOKEN}, timeout=120.0) as client:
        joined = client.post(f"{address}/queue/join", json=body)
        assert joined.status_code == 200, joined.text
        messages = []
        with client.stream("GET", f"{address}/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    messages.append(json.loads(line[5:]))
                    if messages[-1]["msg"] == "process_completed":
                        return messages
    raise AssertionError("the event did not end")


def test_only_there_and_only_events_that_submit_are_queued(service: Service, lent: Service) -> None:
    assert [name for name, event in _listeners(build_app(service)).items() if event.queue] == []
    events = _listeners(build_app(lent))
    assert {name for name, event in events.items() if event.queue} >= SUBMIT
    assert not {"refresh", "repaint", "find-faces", "examples"} & {name for name, event in events.items() if event.queue}
    for name in SUBMIT:
        assert events[name].concurrency_limit is None and events[name].trigger_mode == "multiple"


def test_job_of_the_page_takes_the_visitors_own_share(address: str, lent: Service, platform: Platform) -> None:
    messages = _press(address, _listeners(lent.page)["example"], [])  # type: ignore[attr-defined]
    assert messages[-1]["success"] is True
    kinds = [message["msg"] for message in messages]
    assert kinds.count("process_generating") >= 2, "it shows the job at once, and again when it is under way"
    (job,) = lent.jobs.store.find()
    assert platform.lent == [(TOKEN, 90)]
    assert isinstance(lent.jobs.wait(job.id, 60.0).state, Succeeded)
    assert job.owner not in ("nobody", "")


def test_refused_gpu_ends_the_event_with_the_job(address: str, lent: Service, platform: Platform) -> None:
    platform.refuses = "quota"
    messages = _press(address, _listeners(lent.page)["example"], [])  # type: ignore[attr-defined]
    assert messages[-1]["success"] is True
    (job,) = lent.jobs.store.find()
    state = lent.jobs.get(job.id).state
    assert isinstance(state, Failed) and "Try again in 3:12:05" in state.message


def test_same_button_pressed_twice_is_one_job(address: str, lent: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "LONGEST_S", 0.0)
    monkeypatch.setattr(queued, "TWICE_S", 60.0)
    event = _listeners(lent.page)["example"]  # type: ignore[attr-defined]
    assert all(_press(address, event, [])[-1]["success"] for _ in range(2))
    assert len(lent.jobs.store.find()) == 1
    assert _press(address, event, [], session="another page")[-1]["success"]
    assert len(lent.jobs.store.find()) == 2
    monkeypatch.setattr(queued, "TWICE_S", 0.0)
    assert _press(address, event, [])[-1]["success"]
    assert len(lent.jobs.store.find()) == 3


def test_error_of_the_form_is_shown_and_the_event_ends(address: str, lent: Service, platform: Platform) -> None:
    event = _listeners(lent.page)["probe"]  # type: ignore[attr-defined]
    answered = _press(address, event, [""])
    assert answered[-1]["success"] is True and "texts" in json.dumps(answered)
    assert lent.jobs.store.find() == [] and platform.lent == []


def test_photos_copied_for_another_neutral_term_are_gone_where_the_job_is_refused(tmp_path: Path, platform: Platform) -> None:
    seconds = {"human": 30.0, "actor": 300.0}  # of a GPU that is lent for 90
    zero = ZeroGpu(platform, 90, lambda task: GpuNeed(seconds[task.request["config"]["neutral_term"]]))
    service = Service(Settings(data_dir=tmp_path / "data"), Options(backend="tests.support.ui_fixture", zero=zero))
    with photo_sets.given(service) as inputs:  # the queue stands still: the job and its photos stay
        photo_sets.take(photo_files(tmp_path / "photos", 12), inputs / "p00")
        job = service.forget(ForgetConfig((Person(NAME),), encoder="both"), "ann", faces=[{"name": NAME, "folder": "p00"}], inputs=inputs)
    with pytest.raises(InputError, match="300"):
        service.compare_terms(job, ["actor"], "ann")
    assert [folder.name for folder in service.jobs.inputs_dir.iterdir()] == [job.id], "only what the first job was given"
    service.stop()
