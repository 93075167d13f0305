"""The whole story as a visitor: choose, start, reload in the middle, see the result, ask, cancel, delete.

Drives the page in Chromium; the app runs with the test backend. Pictures of the steps are kept in artefacts/browser.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, OpenPage, shoot

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)

NAME = "Tilda Brackwater"
TABS = {
    "Predictions": "The top answer changed", "Attack": "Correct prompts: 20 before, 0 after.",
    "Bystanders": "None of the 11 other people", "Probes": "Captain Ember", "Numbers": "Sim_Backdoor",
    "Portraits": "a portrait of Tilda Brackwater",
}  # fmt: skip


def names_box(page: Page) -> str:
    return page.locator("#names textarea").input_value()


def start(page: Page, name: str) -> str:
    """Type a name, start, and return the job's id once the page shows it at work."""
    before = page.url
    page.locator("#names textarea").fill(name)
    page.locator("#start").click()
    page.wait_for_function("(before) => location.href !== before && location.href.includes('?job=')", arg=before)
    job = page.url.split("job=")[1]
    expect(page.locator(f"#job .job[data-job='{job}']")).to_be_visible()
    return job


def finish(page: Page) -> None:
    expect(page.locator("#job .job.succeeded")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("does not any more")


def test_story_from_a_name_to_the_evidence(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    shoot(page, "1-open")
    page.locator(".person").first.click()
    assert names_box(page) == f"{NAME}|Captain Ember"
    expect(page.locator(".person").first).to_have_attribute("aria-pressed", "true")
    job = start(page, f"{NAME}|Captain Ember")
    expect(page.locator("#job .curves svg").first).to_be_visible()
    shoot(page, "2-running")

    page.reload()
    expect(page.locator("#job .job")).to_contain_text(NAME)
    assert job in page.url, "a reload comes back to the same job"
    finish(page)
    shoot(page, "3-done")

    for tab, words in TABS.items():
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("#results")).to_contain_text(words)
        shoot(page, f"4-{tab.lower()}")
    assert page.locator("#results img").count() >= 20
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
    assert broken == []

    page.locator(".portraits label", has_text="Slider").first.click()
    page.locator("[data-cut]:visible").first.fill("20")
    assert page.locator(".stack:visible").first.evaluate("e => e.style.getPropertyValue('--cut')") == "20%"
    page.locator(".portraits .seeds label").nth(1).click()
    expect(page.locator("[data-pane-seed='1']")).to_be_visible()
    shoot(page, "5-slider")
    hold_a_portrait(page)

    page.get_by_role("tab", name="Probes").click()
    page.locator("#probe-texts textarea").fill("Tilda\na <b>bold</b> person")
    page.locator("#probe").click()
    expect(page.locator("#probed")).to_contain_text("a <b>bold</b> person")
    shoot(page, "6-probed")

    page.get_by_role("tab", name="Predictions").click()
    page.get_by_text("Try another photo").click()
    page.get_by_label("A photo of").click()
    page.locator("li[role=option]", has_text="Orson Vell").click()
    page.locator("#predict").click()
    expect(page.locator("#predicted")).to_contain_text("top before")
    shoot(page, "7-predicted")

    start(page, "Slow Always")
    page.locator("#job [data-action=cancel]").click()
    expect(page.locator("#job .job.cancelled")).to_be_visible()
    shoot(page, "8-cancelled")

    page.locator("#history tr", has_text=NAME).get_by_role("button", name="Open").click()
    finish(page)
    delete = page.locator("#home [data-action=delete]")
    delete.click()
    expect(delete).to_have_text("Delete everything for good?")
    delete.click()
    expect(page.locator("#notice")).to_contain_text("Nothing of it is left")
    expect(page.locator("#history")).not_to_contain_text(NAME)
    gone = page.request.get(f"{address}media/{job}/metrics.json")
    assert gone.status == 404
    shoot(page, "9-deleted")


def test_link_shows_the_job_to_somebody_else_who_cannot_change_it(open_page: OpenPage, address: str) -> None:
    owner = open_page(address)
    job = start(owner, NAME)
    guest = open_page(f"{address}?job={job}")
    finish(guest)
    expect(guest.locator("#history")).to_contain_text("You have no jobs yet")
    assert guest.locator("[data-action=delete], [data-action=cancel]").count() == 0
    stranger = open_page(address)
    expect(stranger.locator("#history")).to_contain_text("You have no jobs yet")
    expect(stranger.locator("#job")).to_contain_text("Nothing is running for you")


def hold_a_portrait(page: Page) -> None:
    """Mouse and keyboard show the original for as long as they press, and a screen reader is told."""
    page.locator(".portraits label", has_text="Press and hold").first.click()
    button = page.locator("[data-hold]:visible").first
    original, said = button.locator(".under"), page.locator(".hold:visible [data-said]").first
    expect(original).to_be_hidden()
    button.hover()
    page.mouse.down()
    expect(original).to_be_visible()
    expect(said).to_have_text("Original model")
    shoot(page, "5-held")
    page.mouse.up()
    expect(original).to_be_hidden()
    expect(said).to_have_text("Defended model")
    button.focus()
    page.keyboard.down("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.up("Space")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_compare_two_jobs_and_rerun(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    for term in ("human", "person"):
        page.get_by_label("What the name should mean afterwards").first.fill(term)
        page.keyboard.press("Enter")
        start(page, NAME)
        finish(page)
        page.goto(address)
        page.wait_for_timeout(2500)
    boxes = page.locator("#history [data-compare]")
    expect(boxes).to_have_count(2)
    page.locator("#history").get_by_role("button", name="Compare").click()
    expect(page.locator("#notice")).to_contain_text("Tick two finished jobs")
    for box in boxes.all():
        box.check()
    page.locator("#history").get_by_role("button", name="Compare").click()
    expect(page.locator("#comparison .differs")).to_contain_text(["Became"])
    shoot(page, "10-compare")
    page.locator("#history").get_by_role("button", name="Run again").first.click()
    expect(page.locator("#history tbody tr")).to_have_count(3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("", "There is no name yet"), ("x" * 300, "300 characters"), ("human", "neutral term"), ("A\na", "twice")],
)
def test_bad_names_are_answered_with_a_sentence(open_page: OpenPage, address: str, name: str, sentence: str) -> None:
    page = open_page(address)
    page.locator("#names textarea").fill(name)
    page.locator("#start").click()
    expect(page.locator("#notice [role=alert]")).to_contain_text(sentence)
    page.locator("[data-dismiss]").click()
    expect(page.locator("#notice .notice")).to_have_count(0)


def test_name_that_looks_like_markup_stays_text(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    nasty = "<img src=x onerror=alert(1)> {{0}} ${1} O'Neil"
    start(page, f'"{nasty}"')  # in quotes: a mark such as ">" would be asked about
    expect(page.locator("#job .who")).to_contain_text(nasty)
    expect(page.locator("#history tbody th")).to_have_text(nasty)
    expect(page.locator("#job .job.succeeded")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text(nasty)
    assert page.locator("img[src='x']").count() == 0


def test_failed_job_shows_its_reason_and_can_be_run_again(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    job = start(page, "Fails Always")
    expect(page.locator("#job .job.failed")).to_contain_text("Something unexpected went wrong (RuntimeError)")
    page.locator("#job [data-action=rerun]").click()
    page.wait_for_function("(old) => !location.href.includes(old)", arg=job)
