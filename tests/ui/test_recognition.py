"""The line that says whether the model knows who is named, without a server; the answers are the test backend's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support import ui_world
from tests.support.ui_fixture_runs import NAMES
from tests.support.zero_platform import Platform
from ui.server import photo_sets
from ui.server.options import Options
from ui.server.recognition import MAX_ASKED, Question, recognition_of
from ui.server.service import Service
from ui.views.recognition import recognition
from unlearn.config import Person, Settings
from unlearn.jobs import Cancelled, Failed, Job, Queued, Running, Succeeded, ZeroGpu

STRANGER = ui_world.STRANGERS[0][0]
NOBODY = "Quendolina Marbrecht"
ANN = "visitor-ann"


def lines(service: Service, *names: str, owner: str = ANN) -> str:
    """What the page says about these names, once the answer is there."""
    questions = recognition_of(service)
    questions.ask([Person(name) for name in names], owner, "")
    latest = questions.latest(owner)
    if latest is not None and latest[1] is not None:
        service.jobs.wait(latest[1].id, 60.0)
        latest = questions.latest(owner)
    return "" if latest is None else recognition(*latest)


def stored(service: Service) -> bytes:
    """Everything that lies in the data folder."""
    return b"".join(path.read_bytes() for path in sorted(service.settings.data_dir.rglob("*")) if path.is_file())


def test_member_stranger_and_name_without_photos_are_told_apart(service: Service) -> None:
    assert f"The model recognises {NAMES[0]} by 21 of 21 prompts." in lines(service, NAMES[0])
    assert "The model does not know anybody of this name: nothing to forget." in lines(service, STRANGER)
    assert f"does not recognise {NOBODY} in portraits, drawn by the original model, not photographs" in lines(service, NOBODY)


def test_several_persons_get_a_line_each_and_only_some_are_asked_about(service: Service) -> None:
    shown = lines(service, NAMES[0], NOBODY, STRANGER)
    assert f"recognises {NAMES[0]} by 21" in shown and f"{NOBODY} in portraits" in shown and f"by the name {STRANGER}" in shown
    assert "The other 2 were not asked about." in lines(service, *NAMES[: MAX_ASKED + 2])


def test_nobody_without_photos_is_asked_about_where_the_set_cannot_draw(tmp_path: Path) -> None:
    options = Options(backend="tests.support.ui_fixture", model_set="embedded+none")
    service = Service(Settings(data_dir=tmp_path / "data"), options)
    service.start()
    assert "No photos of this person are at hand, so the model cannot be asked." in lines(service, NOBODY)
    service.stop()


def test_no_name_is_stored_in_the_list_of_jobs_or_anywhere_else(service: Service) -> None:
    assert NAMES[0] in lines(service, NAMES[0])
    (job,) = service.jobs.store.find(owner=ANN)
    assert isinstance(job.state, Succeeded) and job.request == {"kind": "recognise", "model_set": "embedded"}
    assert NAMES[0].encode() not in stored(service)


def test_next_name_takes_the_place_of_the_one_before(service: Service) -> None:
    lines(service, NAMES[0])
    assert NAMES[1] in lines(service, NAMES[1]) and NAMES[0] not in lines(service, NAMES[1])
    assert len(service.jobs.store.find(owner=ANN)) == 1
    recognition_of(service).drop(ANN)
    assert recognition_of(service).latest(ANN) is None and service.jobs.store.find(owner=ANN) == []


def test_photos_of_ones_own_are_enough_to_ask(service: Service) -> None:
    example = next(row for row in service.examples if not row["member"])
    search = photo_sets.search(service, NOBODY, ANN, {"crops": True, "picks": {}, "example": example["folder"]})
    assert isinstance(service.jobs.wait(search.id, 120.0).state, Succeeded)
    assert "does not know anybody of this name" in lines(service, NOBODY)
    assert "in portraits, drawn by the original model" in lines(service, NOBODY, owner="visitor-bob")


def test_nothing_is_asked_where_it_would_cost_a_visitors_share_of_a_gpu(tmp_path: Path) -> None:
    zero = ZeroGpu(Platform(), 90)
    for model_set, is_asked in (("embedded", True), ("vit-b-32", False)):
        options = Options(backend="tests.support.ui_fixture", model_set=model_set, zero=zero)
        service = Service(Settings(data_dir=tmp_path / model_set), options)
        recognition_of(service).ask([Person(NAMES[0])], ANN, "")
        assert (recognition_of(service).latest(ANN) is not None) == is_asked
        service.stop()


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (Queued(1), f"Asking the model whether it knows {NAMES[0]}."), (Running(0, 0, "Starting"), "Asking the model"),
        (Succeeded({"counts": [None], "drawn": [False]}), "Too few photos of this person"),
        (Failed("No weights."), "could not be asked whether it knows them: No weights."),
        (Cancelled(0), ""),
    ],
)  # fmt: skip
def test_line_follows_the_state_of_the_question(state: object, sentence: str) -> None:
    job = Job("j", ANN, "quick", "w", {}, None, None, time.time(), None, None, state, 0)  # type: ignore[arg-type]
    shown = recognition(Question((NAMES[0],), (0,), "j"), job)
    assert sentence in shown and bool(sentence) == bool(shown)
