"""The dial by keyboard, the portraits as they grow, a seed of the audience, and the check of a run; in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot
from tests.browser.test_story import NAME, finish, start

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


def _shown(page: Page, block: str) -> str:
    """The address of the first picture that a block shows."""
    return str(page.locator(f"{block} img:visible").first.get_attribute("src"))


def test_slider_steps_through_pictures_and_the_run_is_verified(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    dial = page.get_by_label("λ, how much of the defence is in the weights")
    dial.focus()
    before = _shown(page, "#dial")
    page.keyboard.press("ArrowRight")
    expect(dial).to_have_attribute("aria-valuetext", "λ = 0.25: 18 of 21 prompts name the person.")
    assert _shown(page, "#dial") != before and "dial/p00-025" in _shown(page, "#dial")
    page.keyboard.press("End")
    expect(page.locator("#dial .said:visible")).to_have_text("λ = 1, the defended model: 0 of 21 prompts name the person.")
    shoot(page, "20-dial")

    page.locator("#denoising [data-play]").click()
    steps = page.get_by_label("Denoising step")
    expect(steps).to_have_attribute("aria-valuetext", "The same noise for both.")
    page.locator("#denoising [data-play]").click()
    expect(steps).to_have_attribute("aria-valuetext", "After step 10 of 40: here they part.")
    shoot(page, "21-growing")

    expect(page.locator("#seal .digest")).to_be_visible()
    page.get_by_label("Seed from the audience").fill("4711")
    page.locator("#audience-draw").click()
    expect(page.locator("#audience figure")).to_have_count(2)
    expect(page.locator("#audience")).to_contain_text("Seed 4711")
    page.locator("#verify").click()
    expect(page.locator("#verified")).to_contain_text("Equal: all 16,384 pixels are the same.")
    expect(page.locator("#verified .verified.good")).to_be_visible()
    shoot(page, "22-verified")
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
    assert broken == []
