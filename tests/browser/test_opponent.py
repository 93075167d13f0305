"""The tab "Opponent" in Chromium: what a visitor types is answered, attacks fill the table, and the best tries are drawn."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot
from tests.browser.test_asking import tab
from tests.browser.test_story import NAME, finish, start
from unlearn.attacks.recovery.catalogue import ATTACKS

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


def test_own_try_is_answered_and_attacks_fill_the_table(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, f"{NAME}\nOrson Vell")
    finish(page)
    tab(page, "Opponent")
    page.locator("#own-text").locator("input, textarea").fill("Captain Storm")
    page.locator("#own-try").click()
    expect(page.locator("#own-answer .own-answer")).to_contain_text(f"“Captain Storm” still finds {NAME}")
    expect(page.locator("#opponent tbody tr")).to_have_count(1)
    page.locator("#opponent [data-value=full]").click()
    expect(page.locator("#opponent tbody tr")).to_have_count(1 + len(ATTACKS))
    expect(page.locator("#opponent .lead")).to_contain_text("1 finds this person now: other names")
    expect(page.locator("#opponent tbody tr").nth(1)).to_contain_text("Other names")
    page.locator("#opponent [data-action=draw]").click()
    expect(page.locator("#opponent-drawn .prompt").first).to_have_text("a portrait of Captain Storm")
    shoot(page, "13-opponent")
    page.locator("#opponent-person input").click()
    page.locator("li[role=option]", has_text="Orson Vell").click()
    expect(page.locator("#opponent .lead")).to_contain_text("bring Orson Vell back")
    expect(page.locator("#opponent tbody tr")).to_have_count(0)
    expect(page.locator("#history tbody tr")).to_have_count(1)
