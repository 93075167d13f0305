"""How quick the page is, measured: `python -m tests.measure_page` on an otherwise idle machine. No test, nothing is asserted.

Prints seconds from `python app.py` to a page that answers, milliseconds from a click to its answer while a job runs, CPU per
poll, and how much 20 visitors who poll lengthen a job. `--backend tests.support.ui_fixture --name "Computes Always"` takes a job that
multiplies matrices on all cores, a fixed number of them; with any other name that backend mostly waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.support.running_app import ROOT, free_port

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


@dataclass(frozen=True)
class Timed:
    """One job: its seconds; the server's CPU seconds and the polls within the seconds that it was watched."""

    seconds: float
    cpu_s: float
    watched_s: float
    n_polls: int


class Server:
    """`python app.py` in a folder of its own."""

    def __init__(self, backend: str, data_dir: Path) -> None:
        self._table = data_dir / "jobs.sqlite"
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


    def job(self, job_id: str) -> tuple[str, float]:
        """State and run time of a job, read beside the server: asking it would cost what is to be measured."""
        with closing(sqlite3.connect(f"file:{self._table}?mode=ro", uri=True)) as table:
            state, started, finished = table.execute(
                "SELECT state, started, finished FROM job WHERE id = ?", (job_id,)
            ).fetchone()
        return state, (finished or 0.0) - (started or 0.0)


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


async def _visitor(address: str, url: str, end: asyncio.Event, count: list[int]) -> None:
    """Ask every other second, by hand: a client of its own would cost this machine more than the server's answer does."""
    host, _, rest = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(rest.rstrip("/")))
    path, seen = "/" + url.removeprefix(address), ""
    while not end.is_set():
        writer.write(f"GET {path}?seen={seen} HTTP/1.1\r\nHost: {host}:{rest.rstrip('/')}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        told = json.loads(await reader.readexactly(length))
        seen = told["progress"]
        count.append(length)
        await asyncio.sleep(POLL_S)
    writer.close()


async def _poll(server: Server, url: str, job: str, n: int) -> int:
    """n visitors until the job has ended; how often they asked."""
    count: list[int] = []
    end = asyncio.Event()
    visitors = []
    for _ in range(n):
        visitors.append(asyncio.create_task(_visitor(server.address, url, end, count)))
        await asyncio.sleep(POLL_S / n)
    while server.job(job)[0] in ("queued", "running"):
        await asyncio.sleep(0.5)
    end.set()
    await asyncio.gather(*visitors)
    return len(count)


def _run(work: Coroutine[Any, Any, int]) -> int:
    """Playwright has an event loop in this thread already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


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
            first = start_job(page, name)
            page.wait_for_selector("#job .job.running")
            url = pulse_of(page)
            clicks = click_ms(page)
            told["click answered while a job runs, ms"] = {"median": statistics.median(clicks), "most": max(clicks)}
            page.context.close()
            _run(_poll(server, url, first, 0))
            told.update(visitors(browser, server, (name, url), n_runs))
        finally:
            server.process.terminate()
            server.process.wait(20)
            browser.close()
    return told


def visitors(browser: Browser, server: Server, job: tuple[str, str], n_runs: int) -> dict[str, Any]:
    """Jobs with and without visitors who poll, taking turns, and the server's CPU in both."""
    told: dict[str, Any] = {}
    runs: dict[int, list[Timed]] = {0: [], N_VISITORS: []}
    for turn in range(n_runs):
        for n in (0, N_VISITORS) if turn % 2 == 0 else (N_VISITORS, 0):
            runs[n].append(_timed(browser, server, *job, n))
    alone, watched = (statistics.median(run.seconds for run in runs[n]) for n in (0, N_VISITORS))
    idle = statistics.median(run.cpu_s / run.watched_s for run in runs[0])
    a_poll = statistics.median((run.cpu_s - idle * run.watched_s) / max(run.n_polls, 1) for run in runs[N_VISITORS])
    told["job, s"] = {f"{n} visitors": [round(run.seconds, 2) for run in found] for n, found in runs.items()}
    told["CPU of the server while a job runs and nobody looks, % of a core"] = 100 * idle
    told["CPU of the server per poll, ms"] = 1000 * a_poll
    told[f"CPU of {N_VISITORS} visitors who ask every {POLL_S:.0f} s, % of a core"] = 100 * a_poll * N_VISITORS / POLL_S
    told[f"{N_VISITORS} visitors slow a job by, %"] = 100 * (watched / alone - 1)
    return told


def _timed(browser: Browser, server: Server, name: str, url: str, n: int) -> Timed:
    """One job while n visitors poll, all of them as its owner, who asks most often."""
    page = open_page(browser, server.address)
    job = start_job(page, name)
    url = pulse_of(page) if n else url
    page.context.close()  # the page that started it does not poll
    before, began = server.cpu_s(), time.monotonic()
    n_polls = _run(_poll(server, url, job, n))
    return Timed(server.job(job)[1], server.cpu_s() - before, time.monotonic() - began, n_polls)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure_page", description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="ui.worker.tasks")
    parser.add_argument("--name", default="Marcus Bellwyn")
    parser.add_argument("--runs", type=int, default=3, help="jobs with and as many without visitors")
    options = parser.parse_args()
    for what, value in measure(options.backend, options.name, options.runs).items():
        print(f"{what}: {json.dumps(value, default=float)}", flush=True)


if __name__ == "__main__":
    main()
