"""A running app and a browser for the tests of the page; every page fails its test on console errors or foreign hosts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app.test_privacy import files_of
from tests.support.running_app import start_app

ROOT = Path(__file__).parent.parent.parent
SHOTS = ROOT / "artefacts" / "browser"
# The machine may be busy with other things; a page that waits longer is broken.
TIMEOUT_MS = 180_000
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
OpenPage = Callable[..., Page]


def chromium() -> str:
    """The system's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no Chromium on this machine; install it (Debian: apt-get install chromium)"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ["UI_FIXTURE_PAUSE_S"] = "0.2"  # eight seconds a job: long enough to reload in the middle
    process, found = start_app(tmp_path_factory.mktemp("app") / "data")
    yield found
    del os.environ["UI_FIXTURE_PAUSE_S"]
    process.terminate()
    process.wait(20)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address as a new visitor; afterwards nothing may have complained and nobody else been asked."""
    complaints: list[str] = []
    contexts = []

    def open_address(address: str, width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",  # a click into a page that still scrolls tests the mouse, not the page
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        home = address.split("?")[0]
        page.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("response", lambda r: complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: None if r.url.startswith((home, "data:", "blob:")) else complaints.append(r.url))
        page.goto(address)
        page.wait_for_selector("#start")
        page.wait_for_function("() => document.querySelector('#job .job, #job .note') !== null")
        page.wait_for_timeout(1500)  # the first event tells the page who it is
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert complaints == []


@dataclass(frozen=True)
class OwnApp:
    """An app that serves nobody else: its page, its data folder, and what lay there at first."""

    page: Page
    data_dir: Path
    before: set[str]

    def new_files(self) -> set[str]:
        """What lies in the data folder by now."""
        return files_of(self.data_dir) - self.before

    def delete(self, panel: str = "#home") -> None:
        """Press the button that deletes; nothing may be left."""
        self.page.locator(f"{panel} [data-action=delete]").click()
        self.page.locator(f"{panel} [data-action=delete]").click()
        expect(self.page.locator("#notice")).to_contain_text("Nothing of it is left")
        assert files_of(self.data_dir) == self.before


@pytest.fixture
def own_app(open_page: OpenPage, tmp_path: Path) -> Iterator[OwnApp]:
    data_dir = tmp_path / "data"
    process, address = start_app(data_dir)
    page = open_page(address)
    yield OwnApp(page, data_dir, files_of(data_dir))
    page.close()
    process.terminate()
    process.wait(20)


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
