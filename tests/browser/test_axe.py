"""axe finds nothing serious: every tab, a running job, dark and light, three widths. Phones: what a picker offers, a frozen tab."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage
from tests.browser.test_story import NAME, TABS, finish, start

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)

SIZES = ((1440, 900), (768, 1024), (390, 844))
WEIGHTY = ("serious", "critical", "moderate")


def complaints(page: Page, where: str) -> list[str]:
    """What axe says of the page as it is, in both schemes and at three widths."""
    found = []
    for scheme in ("light", "dark"):
        page.evaluate("(isDark) => document.body.classList.toggle('dark', isDark)", scheme == "dark")
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(150)
            for violation in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]:
                if violation["impact"] in WEIGHTY:
                    nodes = [node["html"][:160] for node in violation["nodes"]]
                    found.append(f"{where}, {scheme}, {width} px: {violation['id']}: {nodes}")
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


def test_axe_finds_nothing_in_any_tab_nor_in_a_running_job(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_role("button", name="Advanced settings").click()
    page.get_by_label("The face (image encoder)").check()
    expect(page.locator("#photos")).to_be_visible()
    found = complaints(page, "form")
    page.get_by_label("The name (text encoder)").check()
    start(page, "Slow Always")
    expect(page.locator("#job .curves svg").first).to_be_visible()
    found += complaints(page, "running")
    page.locator("#job [data-action=cancel]").click()
    start(page, NAME)
    finish(page)
    for tab in (*TABS, "Opponent"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(400)
        found += complaints(page, tab)
    assert found == []


def test_axe_would_find_a_fault(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.evaluate("document.querySelector('#changed').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><button></button>')")
    faults = {violation["id"] for violation in Axe().run(page).response["violations"]}
    assert {"image-alt", "button-name"} <= faults


def test_pickers_offer_photos_and_zips_apart(open_page: OpenPage, address: str) -> None:
    page = open_page(address, width=390, height=844)
    page.get_by_label("The face (image encoder)").check()
    expect(page.locator("#photos")).to_be_visible()
    for box, accepted, is_multiple in (("#faces-upload", "image/*,.heic,.heif", True), ("#zip-upload", ".zip,application/zip", False)):
        with page.expect_file_chooser() as chooser:
            page.locator(f"{box} button").first.click()
        assert chooser.value.element.get_attribute("accept") == accepted
        assert chooser.value.is_multiple() is is_multiple


def test_frozen_tab_shows_the_result_once_it_wakes(open_page: OpenPage, address: str) -> None:
    page = open_page(address, width=390, height=844)
    start(page, NAME)
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    watcher = open_page(page.url)
    finish(watcher)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    finish(page)
    expect(page.locator("#home [data-action=delete]")).to_be_visible()  # it still knows whose job this is
