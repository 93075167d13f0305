"""What a visitor asks of a finished job, compares, takes home and deletes; and what is left of photos. In Chromium."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, OwnApp, shoot
from tests.browser.test_story import NAME, finish, start
from tests.support import ui_world

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_ticked_texts_are_drawn_and_appear_under_portraits(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    tab(page, "Probes")
    page.locator("#draw-chosen").click()
    expect(page.locator("#notice")).to_contain_text("Tick one or more")
    page.locator("#chosen").get_by_label("actor", exact=True).check()
    page.locator("#chosen").get_by_label("Tilda", exact=True).check()
    page.locator("#draw-chosen").click()
    tab(page, "Portraits")
    expect(page.locator("#drawn .prompt")).to_have_text(["a portrait of actor", "a portrait of Tilda"])
    expect(page.locator("#drawn figure")).to_have_count(8)  # 2 texts, 2 seeds, 2 models
    shoot(page, "11-drawn")


def test_neutral_terms_are_run_and_set_side_by_side(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    tab(page, "Probes")
    for term in ("human", "person", "adult", "child"):
        page.locator("#term-choice").get_by_label(term, exact=True).uncheck()
    page.locator("button#terms").click()
    expect(page.locator("#notice")).to_contain_text("1 jobs were queued")
    expect(page.locator("#terms-table thead th")).to_have_count(3)  # the measure, somebody it never met, actor
    expect(page.locator("#terms-table tbody tr", has_text="Became").first).to_contain_text("actor")
    expect(page.locator("#history tbody tr")).to_have_count(2)
    shoot(page, "12-terms")
    page.locator("button#terms").click()
    expect(page.locator("#notice")).to_contain_text("All of these have been run already")


def test_download_is_the_whole_run_and_the_report_opens(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    with page.expect_download() as caught:
        page.get_by_role("link", name="Download everything").click()
    packed = zipfile.ZipFile(io.BytesIO(Path(caught.value.path()).read_bytes()))
    assert json.loads(packed.read("config.json"))["persons"][0]["name"] == NAME
    assert any(name.endswith(".safetensors") for name in packed.namelist())
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the page").click()
    opened.value.wait_for_load_state()
    assert "A report." in opened.value.content()


def test_message_that_was_closed_comes_again_with_the_next_mistake(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    for _ in range(2):
        page.locator("#start").click()
        expect(page.locator("#notice [role=alert]")).to_be_visible()
        page.locator("[data-dismiss]").click()
        expect(page.locator("#notice .notice")).to_have_count(0)


def test_tab_key_reaches_every_step_and_no_control_is_without_a_name(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
    seen: list[str] = []
    for _ in range(140):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("""() => { const e = document.activeElement;
          return (e.id || e.closest('[id]')?.id || '') + '|' + (e.getAttribute('aria-label') || e.labels?.[0]?.textContent
            || e.textContent || e.getAttribute('placeholder') || '').trim().slice(0, 40); }"""))
        if "Delete" in seen[-1]:
            break
    reached = " ".join(seen)
    for place in ("names", "start", "example", "Portraits", "Side by side", "Download", "Delete"):
        assert place in reached, f"{place} cannot be reached with the Tab key"
    assert [one for one in seen if one.endswith("|")] == [], "every control that the keyboard reaches has a name"


def test_photo_of_ones_own_leaves_nothing_behind(own_app: OwnApp, tmp_path: Path) -> None:
    photo, page = tmp_path / "Aunt Mabel.jpg", own_app.page
    ui_world.portrait(3, 3).save(photo)
    job = start(page, NAME)
    finish(page)
    tab(page, "Predictions")
    page.get_by_text("Try another photo").click()
    page.locator("#upload input[type=file]").set_input_files(photo)
    expect(page.locator("#upload .file-preview")).to_be_visible()
    page.locator("#predict").click()
    expect(page.locator("#predicted")).to_contain_text("top before")
    expect(page.locator("#predicted")).to_contain_text("Your photo (not kept)")
    expect(page.locator("#upload .file-preview")).to_have_count(0)
    kept = {name for name in own_app.new_files() if not name.startswith("runs/")}
    assert kept == set(), "the job keeps what it was asked; Gradio's copy is gone"
    assert page.url.endswith(job)
    own_app.delete()


def test_example_without_weights_says_so_before_it_is_asked(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    if page.locator("#verdict .prepared").count() == 0:
        pytest.fail("no prepared example is shipped")
    asks = page.locator("#draw")
    tab(page, "Portraits")
    page.get_by_text("Draw more").click()
    if asks.is_disabled():
        expect(page.locator(".why-not:visible").first).to_contain_text("cannot be asked anything new")
    else:
        expect(page.locator(".why-not .note")).to_have_count(0)


def test_link_to_a_job_that_is_gone_says_so(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}?job=no-such-job")
    expect(page.locator("#notice")).to_contain_text("does not exist any more")
    page.wait_for_url(re.compile(r"^[^?]*$"))
