"""The head of the page shows one outcome before anything is touched."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import ui_fixture_runs
from ui.page.layout import TABS
from ui.page.theme import STYLE
from ui.server.catalogue import SetInfo
from ui.server.options import PREPARED_DIR
from ui.views import jobs
from ui.views.opening import SLIDES, opening, presenter
from unlearn.config import ForgetConfig, Person, PortraitConfig
from unlearn.runs.results import PREPARED, Run, prepared_folder, read_run

INFO = SetInfo("embedded", "A tiny set", True, PortraitConfig())


@pytest.fixture(scope="module")
def prepared() -> Run:
    folder = prepared_folder(PREPARED_DIR)
    assert folder is not None
    run = read_run(PREPARED, folder)
    assert run is not None
    return run


def test_head_shows_a_portrait_and_the_count_of_both_models(prepared: Run) -> None:
    html = opening(INFO, "", prepared)
    original, defended = html.index('class="o"'), html.index('class="d"')
    assert original < html.index("<strong>21</strong> of 21") < defended < html.index("<strong>0</strong> of 21")
    assert html.count("<img") == 2 and html.count('alt="Portrait by the') == 2
    pictures = {entry.file for entry in prepared.portraits if entry.prompt == "name" and entry.person_index == 0}
    assert sum(file in html for file in pictures) == 2
    assert "an invented person" in html and 'href="#changed"' in html


def test_head_of_real_people_calls_nobody_invented(prepared: Run) -> None:
    html = opening(replace(INFO, invented=False), "Closed tonight & tomorrow", prepared)
    assert "invented" not in html and "Closed tonight &amp; tomorrow" in html


def test_head_without_a_run_or_its_portraits_shows_no_example(prepared: Run) -> None:
    for run in (None, replace(prepared, portraits=()), replace(prepared, portraits=prepared.portraits[:1])):
        html = opening(INFO, "", run)
        assert "example-pair" not in html and "Make a model forget a person" in html


def test_names_in_the_head_are_text(tmp_path: Path) -> None:
    ui_fixture_runs.write_run(tmp_path, ForgetConfig((Person("<b>Tilda</b>"),)), [])
    run = read_run("job-id", tmp_path)
    html = opening(INFO, "", run)
    assert "example-pair" in html and "<b>Tilda" not in html and "&lt;b&gt;Tilda" in html


def test_presenters_bar_names_every_slide_and_starts_hidden() -> None:
    html = presenter()
    assert html.count("data-slide-to=") == len(SLIDES) and 'aria-label="Presentation"' in html
    assert re.search(r"<nav[^>]* hidden>", html)
    script = (Path(opening.__code__.co_filename).parent.parent / "page" / "present.js").read_text(encoding="utf-8")
    style = STYLE.read_text(encoding="utf-8")
    for slide, _ in SLIDES:
        assert f'html[data-slide="{slide}"]' in style
    shown = dict(re.findall(r"(\w+): '(\w+)'", script.partition("const TABS")[2].partition(";")[0]))
    assert set(shown) <= {slide for slide, _ in SLIDES} and set(shown.values()) <= {title.lower() for title, _ in TABS}


def test_prepared_example_is_not_said_to_be_deleted(prepared: Run) -> None:
    assert "deleted automatically" not in jobs.take_home(prepared, own=False, retention_s=86_400.0)
    assert "deleted automatically" in jobs.take_home(replace(prepared, key="some-job"), own=True, retention_s=86_400.0)
