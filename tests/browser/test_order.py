"""Answers that overtake each other on the way: the page shows what the latest event led to. In Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage
from tests.browser.test_story import NAME, finish, start

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)


class HeldBack:
    """Keeps the first answer that contains some words from a page, until the page has long gone on."""

    def __init__(self, page: Page, words: str) -> None:
        self._page, self._words = page, words
        self._held: tuple[Route, APIResponse] | None = None
        page.route("**/gradio_api/run/predict*", self._take)

    def _take(self, route: Route) -> None:
        answer = route.fetch()
        if self._held is None and self._words in answer.text():
            self._held = route, answer
        else:
            route.fulfill(response=answer)

    def wait(self) -> None:
        """Wait until it is held back."""
        for _ in range(TIMEOUT_MS // 50):
            self._page.wait_for_timeout(50)
            if self._held is not None:
                return
        raise AssertionError(f"no answer says {self._words!r}")

    def give(self) -> None:
        """Hand it out."""
        assert self._held is not None
        route, answer = self._held
        with self._page.expect_response(route.request.url):
            route.fulfill(response=answer)


def test_news_of_an_old_job_that_come_late_do_not_hide_the_new_one(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    start(page, NAME)
    held = HeldBack(page, "job succeeded")
    held.wait()
    start(page, "Slow Always")
    held.give()
    page.locator("#job [data-action=cancel]").click()
    expect(page.locator("#job .job.cancelled")).to_be_visible()
    page.locator("#history tr", has_text=NAME).get_by_role("button", name="Open").click()
    finish(page)


def test_answer_from_before_a_result_does_not_hide_the_result(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    held = HeldBack(page, "data-state")
    page.locator("#names textarea").fill(NAME)
    page.locator("#start").click()
    held.wait()
    page.get_by_label("The face").check()
    for _ in range(200):  # whatever is asked, the answer brings what is new
        page.locator("#find-faces").click()
        page.wait_for_timeout(500)
        if page.locator("#job .job.succeeded").count():
            break
    finish(page)
    held.give()
    page.wait_for_timeout(3000)
    finish(page)
    page.get_by_role("tab", name="Numbers").click()
    expect(page.locator("#results")).to_contain_text("Sim_Backdoor")
