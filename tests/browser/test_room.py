"""The room in Chromium: a phone votes and sends a line, and the presenter's page shows tally and board."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot
from tests.browser.test_asking import tab
from tests.browser.test_story import NAME, finish, start

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone in the dark; nothing may complain in it until its room is closed."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_phone_votes_and_sends_a_line_that_the_presenters_page_counts(open_page: OpenPage, address: str, phone: Page) -> None:
    page = open_page(address)
    start(page, NAME)
    finish(page)
    tab(page, "Room")
    page.locator("#room [data-action=room-open]").click()
    link = page.locator("#room .room-link a").get_attribute("href")
    assert link is not None and link.startswith(f"{address}room/")
    expect(page.locator("#room svg.qr")).to_be_visible()
    expect(page.locator("#room .room-local")).to_contain_text("--host 0.0.0.0")

    phone.goto(link)
    expect(phone.locator("[data-progress]")).to_have_text("Portrait 1 of 6")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(phone, "14-room-phone")
    for number in range(2, 4):
        phone.locator("[data-answer=yes]").tap()
        expect(phone.locator("[data-progress]")).to_have_text(f"Portrait {number} of 6")
    phone.reload()
    expect(phone.locator("[data-progress]")).to_have_text("Portrait 3 of 6")
    for number in range(4, 7):
        phone.locator("[data-answer=no]").tap()
        expect(phone.locator("[data-progress]")).to_have_text(f"Portrait {number} of 6")
    phone.locator("[data-answer=no]").tap()
    expect(phone.locator("[data-done]")).to_be_visible()
    phone.locator("[data-part-to=break]").tap()
    phone.locator("#line").fill("<b>Captain</b> Storm")
    phone.locator("form button").tap()
    expect(phone.locator("[data-sent] li")).to_contain_text(f"found {NAME}")
    shoot(phone, "14-room-phone-line")

    board = page.locator("#room .room-live")
    expect(board).to_contain_text("1 phone voted")
    for figure in board.locator(".room-figure").all():
        expect(figure).to_contain_text("of 3 answers")
    yes = [int(figure.inner_text().split(" of 3 answers")[0].split()[-1]) for figure in board.locator(".room-figure").all()]
    assert sum(yes) == 2
    expect(board).to_contain_text(f"1 of 1 line found {NAME}")
    expect(board.locator(".room-lines li")).to_contain_text("<b>Captain</b> Storm")
    shoot(page, "14-room")
    page.locator("[data-present]").click()
    page.locator("[data-slide-to=room]").click()
    expect(page.locator("#room svg.qr")).to_be_visible()
    expect(page.locator("#verdict")).to_be_hidden()
    page.keyboard.press("Escape")

    close = page.locator("#room [data-action=room-close]")
    close.click()
    close.click()
    expect(page.locator("#room [data-action=room-open]")).to_be_visible()
    phone.locator("#line").fill("too late")
    phone.locator("form button").tap()
    expect(phone.locator("[data-trouble]")).to_have_text("This room is closed.")
    gone = phone.goto(link)
    assert gone is not None and gone.status == 404
    expect(phone.locator("h1")).to_have_text("This room is closed")
