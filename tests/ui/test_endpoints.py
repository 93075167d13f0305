"""The named endpoints without a server: who may change a job, what counts as an argument, and what is kept of calls."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from ui import build_app
from ui.page import arguments, guard, layout, offer
from ui.page.endpoints import Endpoints, _explained, _owner
from ui.page.media import app_kwargs
from ui.page.refusals import Refusal, log_refused, place_of
from ui.page.screen import View
from ui.page.theme import launch_options
from ui.server.service import Service
from unlearn.errors import ConfigError, InputError, UnlearnError
from unlearn.jobs import Jobs, Succeeded


def caller(host: str) -> Any:
    return SimpleNamespace(client=SimpleNamespace(host=host), username=None, headers={}, request=None)


ANN, BOB = caller("10.0.0.1"), caller("10.0.0.2")


@pytest.fixture
def endpoints(service: Service) -> Endpoints:
    build_app(service)
    return Endpoints(service)


@pytest.mark.parametrize("name", ["cancel", "rerun", "delete"])
def test_only_who_started_a_job_may_change_it(service: Service, endpoints: Endpoints, name: str) -> None:
    assert _owner(service, ANN) != _owner(service, BOB)
    job = endpoints.forget(["Slow Always"], ANN)["job"]
    with pytest.raises(InputError, match="started by somebody else"):
        getattr(endpoints, name)(job, BOB)
    assert endpoints.status(job)["state"] in ("queued", "running")
    told = getattr(endpoints, name)(job, ANN)
    assert told["state"] == {"cancel": "cancelled", "rerun": "queued", "delete": "deleted"}[name]
    assert (told["job"] == job) == (name != "rerun")


@pytest.mark.parametrize(
    ("given", "target", "term", "n_decoys"),
    [
        ({}, "stand_in", "human", 0), ({"neutral_term": "actor"}, "neutral_term", "actor", 0), ({"decoys": 3}, "stand_in", "human", 3),
        ({"target": "neutral_term"}, "neutral_term", "human", 0), ({"settings": {"schedule": "paper"}}, "neutral_term", "human", 0),
    ],
)  # fmt: skip
def test_forget_takes_target_and_decoys(
    service: Service, endpoints: Endpoints, given: dict[str, Any], target: str, term: str, n_decoys: int
) -> None:
    config = service.jobs.get(endpoints.forget(["Slow Always"], ANN, **given)["job"]).request["config"]
    assert (config["target"], config["neutral_term"], config["n_decoys"]) == (target, term, n_decoys)


def test_forget_takes_a_method(service: Service, endpoints: Endpoints) -> None:
    config = service.jobs.get(endpoints.forget(["Slow Always"], ANN, method="closed-form")["job"]).request["config"]
    assert config["method"] == "closed-form"
    with pytest.raises(ConfigError, match="must be backdoor, closed-form or slug"):
        endpoints.forget(["Slow Always"], ANN, method="magic")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"target": "stand_in", "neutral_term": "human"}, "no effect"), ({"target": "nobody"}, "use stand_in or neutral_term"),
        ({"target": "stand_in", "settings": {"schedule": "paper"}}, "never to a stand-in"),
        ({"neutral_term": "human", "decoys": 2}, "0 decoys"),
    ],
)  # fmt: skip
def test_forget_with_a_target_that_contradicts_the_rest_starts_nothing(
    service: Service, endpoints: Endpoints, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        endpoints.forget(["Slow Always"], ANN, **given)
    assert service.jobs.store.find() == []


def test_job_whose_target_made_somebody_known_is_run_again_with_stand_ins_by_the_sets_own_schedule(
    service: Service, endpoints: Endpoints
) -> None:
    job = service.jobs.wait(endpoints.forget(["Tilda Brackwater"], ANN, settings={"schedule": "paper"})["job"], 60.0)
    path = service.jobs.folder(job.id) / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["persons"][0]["idia"] = {
        "original": {"correct_templates": 0, "recognised": False}, "defended": {"correct_templates": 21, "recognised": True}
    }  # fmt: skip
    path.write_text(json.dumps(metrics))
    assert 'data-action="stand_in"' in offer.show(View(service, job.id, job.owner))
    assert offer.show(View(service, job.id, "somebody else")) == ""
    again = service.forget_with_stand_ins(job, job.owner).request["config"]
    assert (again["target"], again["text"], again["image"]) == ("stand_in", None, None)
    assert again["persons"] == job.request["config"]["persons"]
    (term,) = service.compare_terms(job, ["human", "actor"], job.owner)
    assert (term.request["config"]["neutral_term"], term.request["config"]["target"]) == ("actor", "neutral_term")


def test_job_that_was_given_no_photos_can_be_run_again_when_it_is_done(service: Service, endpoints: Endpoints) -> None:
    job = endpoints.forget(["Tilda Brackwater"], ANN)["job"]
    assert isinstance(service.jobs.wait(job, 60.0).state, Succeeded)
    assert endpoints.rerun(job, ANN)["job"] != job


def test_damaged_result_is_told_in_a_sentence_and_leaves_the_page_and_the_other_jobs(service: Service, endpoints: Endpoints) -> None:
    job = service.jobs.wait(endpoints.forget(["Tilda Brackwater"], ANN)["job"], 60.0)
    folder, owner = service.jobs.folder(job.id), _owner(service, ANN)
    assert View(service, job.id, owner).damage == ""
    (folder / "metrics.json").write_text('{"persons": [{}]}', "utf-8")
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    sentence = "metrics.json of the run is damaged (persons[0].name is missing); run it again."
    for call in (lambda: endpoints.status(job.id), lambda: service.ask("probe", job.id, {"texts": ["a"]}, owner)):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == sentence
    view = View(service, job.id, owner)
    assert (view.run, view.askable, view.damage) == (None, False, sentence)
    assert sentence in layout._show_verdict(view) and "Damaged" in layout._show_history(view)


def test_deleted_job_is_gone_with_its_files(service: Service, endpoints: Endpoints) -> None:
    job = endpoints.forget(["Tilda Brackwater"], ANN)["job"]
    assert service.jobs.wait(job, 60.0).ended
    told = endpoints.delete(job, ANN)
    assert told["n_jobs"] == 1 and told["n_files"] > 5 and not service.jobs.folder(job).exists()
    with pytest.raises(InputError, match="no such job"):
        endpoints.status(job)


def test_delete_that_leaves_something_does_not_say_where_on_the_server(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(jobs: Jobs, job_id: str) -> None:
        raise UnlearnError("2 folders in /srv/private/runs could not be removed; remove them by hand.")

    job = endpoints.forget(["Slow Always"], ANN)["job"]
    monkeypatch.setattr(Jobs, "delete", fail)
    with pytest.raises(gr.Error) as error:
        endpoints.delete(job, ANN)
    assert "/srv" not in error.value.message and "could not be removed" in error.value.message


def test_unexpected_error_is_a_sentence_and_its_text_is_neither_sent_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(job: str) -> dict[str, Any]:
        raise RuntimeError("Quendolina Marbrecht")

    with caplog.at_level(logging.INFO), pytest.raises(Refusal, match="could not do this \\(RuntimeError\\)") as error:
        _explained("status", broken)("x")
    assert "Quendolina" not in error.value.message + caplog.text
    assert "RuntimeError at tests/ui/test_endpoints.py:" in caplog.text and "Traceback" not in caplog.text
    assert error.value.is_ours and not error.value.print_exception


def test_platforms_own_sentence_is_passed_on() -> None:
    def refused(job: str) -> dict[str, Any]:
        raise gr.Error("You have 3 s of quota left; try again in 2:00:00.")

    with pytest.raises(gr.Error, match="quota left"):
        _explained("status", refused)("x")


def test_place_of_an_error_that_was_never_raised_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_refused(ValueError("secret"), "a test")
    assert place_of(ValueError()) == "an unknown place" and "secret" not in caplog.text


# ---- arguments ---------------------------------------------------------------------------------------------------


def example(names: list[str], request: gr.Request, seed: int = 0, crops: bool = False) -> dict[str, Any]:
    """Some endpoint."""
    return {}


def test_checked_call_takes_what_fits_and_fills_in_defaults() -> None:
    bound = arguments.checked_call(example, (["a"], ANN), {"seed": 3})
    assert bound.arguments == {"names": ["a"], "request": ANN, "seed": 3}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("Bo", ANN), "^names takes a list, each text"),
        ((["a"], ANN, True), "^seed takes a whole number"),
        ((["a"], ANN, 0, 1), "^crops takes true or false"),
        ((["a", None], ANN), r"^names\[1\] takes text"),
        ((["a"], ANN, 2**70), "more than 64 bits"),
        ((["a\ud800"], ANN), "no text"),
        ((["a"], ANN, 0, False, 5), "takes 3 arguments"),
        ((), "takes 3 arguments"),
    ],
)
def test_checked_call_refuses_by_place(given: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(UnlearnError, match=sentence):
        arguments.checked_call(example, given, {})


def test_expected_names_arguments_and_defaults() -> None:
    assert arguments.expected(example, 5) == "This endpoint takes 3 arguments, but got 5: names, seed (default 0), crops (default false)."


@pytest.mark.parametrize(
    ("settings", "encoder", "sentence"),
    [
        ({"colour": 1}, "text", "settings.colour does not exist"),
        ({"Ann Lee": 1}, "text", "settings.A field does not exist"),
        ({"schedule": "paper", "n_steps": 5}, "text", "no effect unless settings.schedule"),
        ({"schedule": "quick"}, "text", "schedule takes default, paper or own"),
        ({"schedule": "own", "image_n_steps": 5}, "text", "no effect where encoder"),
        ({"schedule": "own", "n_steps": 5}, "image", "no effect"),
        ({"schedule": "own", "n_steps": 5.5}, "text", "n_steps takes a whole number"),
        ({"seeds": [1.5]}, "text", "seeds takes a list"),
    ],
)
def test_forget_settings_that_are_unknown_or_idle_are_refused(settings: dict[str, Any], encoder: str, sentence: str) -> None:
    with pytest.raises((InputError, ConfigError), match=sentence):
        arguments.forget_settings(settings, encoder)


def test_forget_settings_reach_the_form_under_its_own_words() -> None:
    found = arguments.forget_settings({"schedule": "own", "n_steps": 5, "seeds": [3, 4], "guidance_scale": 2}, "text")
    assert found == {"schedule": "My own", "n_steps": 5, "seeds": "3, 4", "guidance_scale": 2}
    assert arguments.forget_settings({"n_steps": 5}, "text") == {"schedule": "My own", "n_steps": 5}
    assert arguments.forget_settings(None, "text")["schedule"] == arguments.forget_settings({"schedule": "default"}, "both")["schedule"]


# ---- what is kept of calls ---------------------------------------------------------------------------------------


@pytest.fixture
def web(service: Service) -> tuple[gr.Blocks, App]:
    blocks = build_app(service)
    blocks.state_session_capacity = 4
    return blocks, App.create_app(blocks, app_kwargs=app_kwargs(service))


def test_states_of_sessions_are_bounded(web: tuple[gr.Blocks, App]) -> None:
    _, app = web
    client = TestClient(app)
    for number in range(8):
        answer = client.post("/gradio_api/run/status", json={"data": ["x"], "session_hash": f"s{number}"})
        assert answer.status_code == 400 and "no such job" in answer.json()["error"]
    assert len(app.state_holder.session_data) == len(app.state_holder.time_last_used) == 4
    assert launch_options()["state_session_capacity"] == guard.KEPT_SESSIONS <= 500


def test_call_without_a_session_leaves_no_state(web: tuple[gr.Blocks, App]) -> None:
    blocks, app = web
    function = next(fn for fn in blocks.fns.values() if fn.api_name == "status")
    for session, event, n_kept in (("made-up", "made-up", 0), ("own", "event", 1)):
        state = app.state_holder[session]
        with pytest.raises(Refusal, match="no such job"):
            asyncio.run(blocks.process_api(function, ["x"], state, session_hash=session, event_id=event))
        assert len(app.state_holder.session_data) == n_kept


def test_answers_that_wait_and_paths_of_uploads_are_bounded(web: tuple[gr.Blocks, App]) -> None:
    blocks, _ = web
    queue = blocks._queue
    for number in range(guard.KEPT_ANSWERS + 50):
        queue.pending_event_ids_session[str(number)] = set()
        queue.pending_messages_per_session[str(number)] = None
    assert len(queue.pending_event_ids_session) == len(queue.pending_messages_per_session) == guard.KEPT_ANSWERS
    assert queue.max_size == guard.MAX_WAITING_CALLS and queue.ANALYTICS_MAX_EVENTS == 1
    blocks.upload_file_set.update(f"/nowhere/{number}" for number in range(guard.KEPT_PATHS + 50))
    guard._drop_session(blocks, None, None)
    assert not blocks.upload_file_set


@pytest.mark.parametrize("make", [lambda: [[["deep"] * 2]] * 3, lambda: {"a": {"path": "readme.txt"}}])
def test_check_of_inputs_lets_ordinary_nesting_pass(web: tuple[gr.Blocks, App], make: Callable[[], Any]) -> None:
    function = next(fn for fn in web[0].fns.values() if fn.api_name == "status")
    guard._check_inputs(function, [make()])
