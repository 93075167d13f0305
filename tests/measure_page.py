"""How quick the page is, measured: `python -m tests.measure_page` on an otherwise idle machine. No test, nothing is asserted.

Prints seconds from `python app.py` to a page that answers, milliseconds from a click to its answer while a job runs, CPU per
poll, and how much 20 visitors who poll lengthen a job. `--backend tests.ui_fixture` tries it without models.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.test_app_client import ROOT, free_port

N_CLICKS = 12
N_VISITORS = 20
POLL_S = 2.0
ANSWER_JS = """
() => new Promise((done) => {
  const from = performance.now(), shown = () => document.querySelector('#notice [role=alert]');
  const look = () => { if (shown()) done(performance.now() - from); else setTimeout(look, 4); };
  document.querySelector('#start').click();
  look();
})
"""  # an empty list of names is refused by the server: a click with a whole round trip


class Server:
    """`python app.py` in a folder of its own."""

    def __init__(self, backend: str, data_dir: Path) -> None:
        self.port, self.started = free_port(), time.monotonic()
        code = f"import sys, app; sys.exit(app.main(sys.argv[1:], {backend!r}))"
        program = [sys.executable, "-c", code, "--data-dir", str(data_dir), "--port", str(self.port), "--device", "cpu"]
        self.process = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{self.port}/"

    def answers(self) -> float:
        """Wait until the page is served; seconds since the start."""
        while True:
            try:
                httpx.get(self.address, timeout=60.0)
                return time.monotonic() - self.started
            except httpx.TransportError:
                time.sleep(0.05)

    def cpu_s(self) -> float:
        """CPU seconds of the server process alone."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_page(browser: Browser, address: str) -> Page:
    """A new visitor, once the page reacts to a click on a person (or shows its form, without people)."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_selector("#start")
    page.wait_for_function("() => document.querySelector('#job .job, #job .note') !== null")
    return page


def start_job(page: Page, name: str) -> str:
    """Start forgetting and hand back the job's id."""
    page.locator("#names textarea").fill(name)
    page.locator("#start").click()
    page.wait_for_function("(old) => location.search.includes('job=') && !location.href.includes(old)", arg="job=none")
    return page.url.split("job=")[1]


def click_ms(page: Page) -> list[float]:
    """Milliseconds from clicks to their answers."""
    found = []
    page.locator("#names textarea").fill("")
    for _ in range(N_CLICKS):
        found.append(page.evaluate(ANSWER_JS))
        page.evaluate("document.querySelector('[data-dismiss]').click()")
        page.wait_for_timeout(150)
    return found


def pulse_of(page: Page) -> str:
    """Address with which this page asks for news, so that each answer is a full one."""
    with page.expect_request(lambda request: "/pulse/" in request.url) as caught:
        pass
    return caught.value.url.partition("?")[0]


async def _visitor(client: httpx.AsyncClient, url: str, end: asyncio.Event, count: list[int]) -> None:
    while not end.is_set():
        answer = await client.get(url, timeout=60.0)
        count.append(answer.status_code)
        await asyncio.sleep(POLL_S)


async def _poll(url: str, status: str, job: str, n: int) -> list[int]:
    count: list[int] = []
    end = asyncio.Event()
    async with httpx.AsyncClient() as client:
        visitors = [asyncio.create_task(_visitor(client, url, end, count)) for _ in range(n)]
        while await _state(client, status, job) in ("queued", "running"):
            await asyncio.sleep(0.5)
        end.set()
        await asyncio.gather(*visitors)
    return count


def _run(work: Coroutine[Any, Any, list[int]]) -> list[int]:
    """Playwright has an event loop in this thread already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _state(client: httpx.AsyncClient, status: str, job: str) -> str:
    event = (await client.post(status, json={"data": [job]})).json()["event_id"]
    text = (await client.get(f"{status}/{event}", timeout=60.0)).text
    return str(json.loads(text.split("data: ", 1)[1].splitlines()[0])[0]["state"])


def measure(backend: str, name: str, n_runs: int) -> dict[str, Any]:
    """All figures, by what they are."""
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        server = Server(backend, Path(scratch) / "data")
        try:
            told["page served after, s"] = server.answers()
            page = open_page(browser, server.address)
            told["first usable page after, s"] = time.monotonic() - server.started
            seconds: dict[int, list[float]] = {0: [], N_VISITORS: []}
            first = start_job(page, name)
            page.wait_for_selector("#job .job.running")
            clicks = click_ms(page)
            told["click answered while a job runs, ms"] = {"median": statistics.median(clicks), "most": max(clicks)}
            url = pulse_of(page)
            status = f"{server.address}gradio_api/call/status"
            _run(_poll(url, status, first, 0))
            page.context.close()
            for _ in range(n_runs):
                for n in seconds:
                    took, cpu, n_polls = _timed(browser, server, name, (url, status), n)
                    seconds[n].append(took)
                    if n:
                        told["CPU of the server per poll, ms"] = 1000 * cpu / max(n_polls, 1)
            told["job, s"] = {f"{n} visitors": sorted(times) for n, times in seconds.items()}
            alone, watched = (statistics.median(seconds[n]) for n in (0, N_VISITORS))
            told[f"{N_VISITORS} visitors slow a job by, %"] = 100 * (watched / alone - 1)
        finally:
            server.process.terminate()
            server.process.wait(20)
            browser.close()
    return told


def _timed(
    browser: Browser, server: Server, name: str, pulse: tuple[str, str], n: int
) -> tuple[float, float, int]:
    """One job while n visitors poll: seconds, CPU seconds of the server, polls."""
    page = open_page(browser, server.address)
    job = start_job(page, name)
    page.context.close()  # the page that started it does not poll
    before, began = server.cpu_s(), time.monotonic()
    count = _run(_poll(*pulse, job, n))
    return time.monotonic() - began, server.cpu_s() - before, len(count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure_page", description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="ui.tasks")
    parser.add_argument("--name", default="Marcus Bellwyn")
    parser.add_argument("--runs", type=int, default=3, help="jobs with and without visitors")
    options = parser.parse_args()
    for what, value in measure(options.backend, options.name, options.runs).items():
        print(f"{what}: {json.dumps(value, default=float)}", flush=True)


if __name__ == "__main__":
    main()
