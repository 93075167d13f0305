"""What is known so far, and the film: for whom, until when, and as HTML that can be read, seen and driven by keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ui_fixture_film import MOMENTS, write_film
from tests.support.ui_fixture_runs import write_run
from tests.support.waiting import until
from tests.ui.test_views import NASTY, Tags, job, text_of
from ui.page import forms
from ui.page.arguments import forget_settings
from ui.page.pulse import pulses_of
from ui.server.service import Service
from ui.server.so_far import evidence_of
from ui.views import so_far
from ui.views.film import film
from ui.views.jobs import command
from unlearn.config import ForgetConfig, Person, PortraitConfig
from unlearn.errors import ConfigError
from unlearn.jobs import Running, Succeeded
from unlearn.runs.film_records import Film, Frame
from unlearn.runs.records import AttackRecord, Attacks, PortraitEntry, Verdict
from unlearn.runs.results import read_part, read_run
from unlearn.runs.so_far import EvidenceSoFar, so_far_of

FRAMES = (Frame("f00.webp", correct_templates=21), Frame("f01.webp", "block", 1, 2), Frame("f02.webp", "step", 10, 10))
SLOW = ForgetConfig((Person("Slow Always"),))


def test_every_picture_of_a_film_says_what_is_in_it_and_names_are_escaped() -> None:
    html = film(Film(FRAMES), NASTY, "media/x")
    alts = [attributes["alt"] for tag, attributes in Tags(html).found if tag == "img"]
    assert len(alts) == 2 * len(FRAMES)
    assert all(alt is not None and alt.startswith(f"Portrait drawn for the name {NASTY}. ") for alt in alts)
    assert alts[1] is not None and alts[1].endswith("Closed form, block 1 of 2.") and NASTY not in html


def test_film_is_driven_by_keys_and_tells_where_it_stands() -> None:
    tags = Tags(film(Film(FRAMES), "Ada", "media/x")).found
    (scrub,) = (attributes for tag, attributes in tags if attributes.get("type") == "range")
    assert (scrub["min"], scrub["max"], scrub["value"]) == ("0", "2", "2")
    assert scrub["aria-label"] and scrub["aria-valuetext"] == "Step 10 of 10"
    assert [attributes["type"] for tag, attributes in tags if tag == "button"] == ["button"]


def test_film_says_what_was_heard_and_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    write_film(tmp_path)
    text = text_of(film(read_part(tmp_path, "film"), "Ada", "media/x"))
    assert "“a woman with dark brown hair”" in text and "21 of 21 prompts name the person" in text and "seed 0" in text
    bare = text_of(film(Film((Frame("f00.webp"), Frame("f01.webp", "step", 1, 1))), "Ada", "media/x"))
    assert "prompts name" not in bare and "The model hears" not in bare
    assert film(Film(), "Ada", "media/x") == ""


def test_film_that_is_being_made_has_room_for_what_will_come() -> None:
    shown = Film(FRAMES, n_planned=8)
    assert film(shown, "Ada", "media/x", is_running=True).count('class="ghost"') == 5
    finished = film(shown, "Ada", "media/x")
    assert "ghost" not in finished and "data-loop" in finished


def test_what_is_known_of_a_running_job_names_the_original_first_and_then_both() -> None:
    running = job(Running(1, 2, "fine-tuning"))
    before = AttackRecord(Verdict(21, True), Verdict(), NASTY, 20)
    drawn = (PortraitEntry("p00-original-name-s0.png", "original", 0), PortraitEntry("x.png", "original", 0, prompt="neutral"))
    early = so_far.running(running, EvidenceSoFar(Attacks((before,)), drawn, Film()))
    assert "The original model recognises" in text_of(early) and "not known yet" in text_of(early) and NASTY not in early
    assert 'src="media/the-id/so-far/portraits/p00-original-name-s0.png"' in early and "x.png" not in early
    both = AttackRecord(Verdict(21, True), Verdict(0, False), NASTY, 20)
    later = text_of(so_far.running(running, EvidenceSoFar(Attacks((both,)), drawn, Film())))
    assert "does not any more" in later and "not known yet" not in later


def test_nothing_is_shown_of_a_job_that_does_not_run_and_its_place_is_kept_from_the_first_moment() -> None:
    nothing = EvidenceSoFar(Attacks(), (), Film())
    assert so_far.running(job(Succeeded({})), nothing) == ""
    empty = so_far.running(job(Running(0, 0, "")), nothing)
    assert 'data-job="the-id"' in empty and text_of(empty) == ""


def test_face_alone_says_why_there_is_no_film(tmp_path: Path) -> None:
    for encoder, words in (("image", "no film"), ("text", "Watch Ada Brook being forgotten")):
        folder = tmp_path / encoder
        if encoder == "text":
            write_film(folder)
        write_run(folder, ForgetConfig((Person("Ada Brook"),), encoder=encoder), [])  # type: ignore[arg-type]
        run = read_run("k", folder)
        assert run is not None and words in text_of(so_far.done(run))


def test_beat_brings_what_is_known_and_cancelling_takes_it_away(service: Service) -> None:
    key = service.forget(SLOW, "ann").id
    folder = service.jobs.folder(key)
    until(lambda: bool(evidence_of(service, service.jobs.get(key)).idia.persons))
    for viewer in ("ann", "bob"):  # whoever may see the losses
        told = pulses_of(service).beat(pulses_of(service).token(viewer, key), "")
        assert "Slow Always" in told["so_far"] and "not known yet" in told["so_far"]
    service.jobs.cancel(key)
    service.jobs.wait(key, 60.0)
    assert "so_far" not in pulses_of(service).beat(pulses_of(service).token("ann", key), "")
    assert not folder.exists() and evidence_of(service, service.jobs.get(key)).is_empty


def test_damaged_evidence_is_no_evidence(service: Service) -> None:
    running = job(Running(1, 2, ""))
    folder = service.jobs.folder(running.id)
    folder.mkdir(parents=True)
    so_far_of(folder).write(film=Film(FRAMES))
    assert len(evidence_of(service, running).film.frames) == 3
    (folder / "so-far" / "film.json").write_text("{", "utf-8")
    assert evidence_of(service, running).is_empty


def test_film_can_be_switched_off_by_form_endpoint_and_command() -> None:
    for values in ({"film": False}, forget_settings({"film": False}, "text")):
        config = forms.forget_config({**values, "names": "Ada Brook"}, "embedded", PortraitConfig())
        assert not config.film and "--without-film" in command(config)
    config = forms.forget_config({"names": "Ada Brook"}, "embedded", PortraitConfig())
    assert config.film and "--without-film" not in command(config)
    with pytest.raises(ConfigError, match="settings.film takes true or false"):
        forget_settings({"film": "no"}, "text")


def test_fixture_shows_as_many_frames_as_a_run_plans() -> None:
    assert len(MOMENTS) == 8
