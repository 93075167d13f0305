"""The page where the browser gives no storage: in a frame of another site, and with site data blocked. In Chromium."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.browser.conftest import TIMEOUT_MS, shoot
from tests.browser.test_story import NAME

pytestmark = pytest.mark.browser
expect.set_options(timeout=TIMEOUT_MS)

STORAGE_JS = """() => ['localStorage', 'sessionStorage'].map((name) => {
  try { window[name].setItem('test', ''); window[name].removeItem('test'); return 'works'; } catch (error) { return error.name; } })"""
STORES = "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { configurable: true, get() { %s } });"
BLOCKED = {
    "refused": STORES % "throw new DOMException('denied', 'SecurityError');",  # Chromium, all site data blocked
    "missing": STORES % "return null;",  # Firefox without DOM storage, some web views
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",  # older Safari, private
}
NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """A new visitor's page that nothing may complain in."""
    complaints: list[str] = []
    contexts = []

    def new(script: str = "") -> Page:
        context = browser.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        return page

    yield new
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def outside(address: str) -> Iterator[str]:
    """Another site, which shows the page in a frame."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = f'<!doctype html><link rel="icon" href="data:,"><iframe src="{address}" width="1180" height="880"></iframe>'
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"  # another site than 127.0.0.1
    server.shutdown()
    server.server_close()


def framed(page: Page, outside: str) -> Frame:
    page.goto(outside)
    frame = page.frames[1]
    expect(frame.locator("#start")).to_be_visible()
    return frame


def run_and_cancel(where: Page | Frame) -> str:
    """Start a job, watch it, and stop it; its id."""
    where.locator("#names textarea").fill("Slow Always")
    where.locator("#start").click()
    expect(where.locator("#job .curves svg").first).to_be_visible()
    progress = where.locator("#job .meta").inner_text()
    expect(where.locator("#job .meta")).not_to_have_text(progress)  # it is followed
    where.locator("#job [data-action=cancel]").click()
    expect(where.locator("#job .job.cancelled")).to_be_visible()
    expect(where.locator("#history tbody tr")).to_have_count(1)
    return str(where.locator("#job .job").get_attribute("data-job"))


def reload_and_look(where: Page | Frame, job: str) -> None:
    """After a reload the job is still there, but somebody else's; a sentence said so."""
    where.evaluate("location.reload()")
    expect(where.locator(f"#job .job[data-job='{job}']")).to_be_visible()
    expect(where.locator("#job [data-action], #history [data-action]")).to_have_count(0)
    expect(where.locator(".no-memory .note")).to_contain_text("Keep the link to your job")


def test_frame_of_another_site_shows_the_form_every_time(new_page: NewPage, outside: str) -> None:
    for _ in range(4):
        page = new_page()
        frame = framed(page, outside)
        expect(frame.locator(".no-memory .note")).to_be_visible()
        assert frame.evaluate(STORAGE_JS) == ["SecurityError", "SecurityError"], "the frame has storage: this tests nothing"
        page.context.close()


def test_frame_of_another_site_starts_follows_and_cancels_a_job(new_page: NewPage, outside: str) -> None:
    page = new_page()
    frame = framed(page, outside)
    job = run_and_cancel(frame)
    frame.locator("[data-copy]").click()
    expect(frame.locator("#job input.link, #job [data-copy]:text('Copied')").first).to_be_visible()
    shoot(page, "30-foreign-frame")
    reload_and_look(page.frames[1], job)


@pytest.mark.parametrize("how", BLOCKED)
def test_blocked_storage_starts_follows_and_cancels_a_job(new_page: NewPage, address: str, how: str) -> None:
    page = new_page(BLOCKED[how])
    page.goto(address)
    expect(page.locator(".no-memory .note")).to_be_visible()
    assert page.evaluate(STORAGE_JS)[0] != "works"
    job = run_and_cancel(page)
    assert job in page.url
    reload_and_look(page, job)


def test_browser_with_storage_says_nothing_and_knows_its_jobs_after_a_reload(new_page: NewPage, address: str) -> None:
    page = new_page()
    page.goto(address)
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator(".no-memory .note")).to_be_hidden()
    page.locator("#names textarea").fill(NAME)
    page.locator("#start").click()
    expect(page.locator("#job .job")).to_be_visible()
    page.goto(address)  # without the link
    expect(page.locator("#job .job")).to_contain_text(NAME)
    expect(page.locator("#history tbody tr")).to_have_count(1)


@pytest.mark.parametrize("kept", ["3f8a/encrypted+by=an earlier version", "null", "[]", "7", '{"visitor": {"a": 1}, "job": []}'])
def test_storage_with_something_else_in_it_is_put_right(new_page: NewPage, address: str, kept: str) -> None:
    page = new_page(f"if (!sessionStorage.seen) {{ sessionStorage.seen = 1; localStorage.setItem('unlearn', {kept!r}); }}")
    page.goto(address)
    page.wait_for_function(r"() => /^\{.visitor.:.[\w.-]{80,}/.test(localStorage.getItem('unlearn'))")
    expect(page.locator("#start")).to_be_visible()
