"""The minute itself: evidence that comes before the end, a strip that fills, a scrubber for keys, and a page that stays where it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot
from tests.browser.test_story import NAME, finish, start

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)




def top_of_job(page: Page) -> float:
    """Where the section of the job stands in the window."""
    return float(page.locator("#forgetting").evaluate("element => element.getBoundingClientRect().top"))


def test_evidence_stands_before_the_end_and_goes_with_a_cancelled_job(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, "Slow Always")
    expect(page.locator("#so-far .verdict")).to_contain_text("The original model recognises Slow Always by name.")
    expect(page.locator("#so-far .verdict")).to_contain_text("not known yet")
    expect(page.locator("#job .job")).to_have_class("job running")
    page.evaluate("window.scrollBy(0, 40)")
    before = top_of_job(page)
    expect(page.locator("#so-far .shot.o img")).to_have_count(3)
    expect(page.locator("#so-far .strip li[data-frame='1']")).to_be_visible()
    expect(page.locator("#so-far .strip .ghost").first).to_be_visible()
    assert abs(top_of_job(page) - before) < 2, "nothing scrolls by itself"

    page.evaluate("window.scrollTo(0, 0)")
    page.reload()
    page.wait_for_function("() => Math.abs(document.getElementById('forgetting')?.getBoundingClientRect().top) < 60")  # at the job
    expect(page.locator("#so-far .strip li[data-frame='1']")).to_be_visible()
    shoot(page, "film-running")

    page.locator("#job [data-action=cancel]").click()
    expect(page.locator("#job .job.cancelled")).to_be_visible()
    expect(page.locator("#so-far .verdict, #so-far .film, #so-far img")).to_have_count(0)


def test_strip_fills_and_a_scrubber_goes_back_by_keys(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    frames = page.locator("#so-far .strip li[data-frame]")
    expect(frames.nth(5)).to_be_visible()
    assert frames.count() == 8 and page.locator("#so-far .ghost").count() == 0
    broken = page.evaluate("[...document.querySelectorAll('#so-far img')].filter(i => i.complete && !i.naturalWidth).length")
    assert broken == 0

    scrub, moment = page.locator("#so-far [data-scrub]"), page.locator("#so-far .frame.at .moment")
    expect(moment).to_have_text("Step 10 of 10")
    scrub.focus()
    page.keyboard.press("Home")
    expect(moment).to_have_text("Original")
    expect(scrub).to_have_attribute("aria-valuetext", "Original")
    page.keyboard.press("ArrowRight")
    expect(moment).to_have_text("Closed form, block 1 of 2")
    page.locator("#so-far .strip li[data-frame='3']").click()
    expect(moment).to_have_text("Step 1 of 10")
    assert page.locator("#so-far .frame:visible").count() == 1

    play = page.locator("#so-far [data-film-play]")
    expect(play).to_have_text("Play")  # whoever wants less motion starts it
    play.click()
    expect(play).to_have_text("Pause")
    expect(moment).not_to_have_text("Step 1 of 10")
    play.click()
    expect(play).to_have_text("Play")
    shoot(page, "film-done")
