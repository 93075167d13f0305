"""When results appear on the page, measured: `python -m tests.measure_evidence` on an otherwise idle machine. No test, nothing is asserted.

Prints seconds from the click that starts a job to each result on the page, and the times of the run itself. The job is the second one
of the server, so that its models are loaded and what outlives a job is kept. The page asks for news every other second.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.measure_page import Server, open_page, start_job

LONGEST_MS = 3_600_000.0
EVIDENCE = {  # what -> a selector that is there as soon as the page shows it
    "first evidence, the original's verdict": "#so-far .verdict", "first portrait by the original": "#so-far .shot.o img",
    "first picture of the film": "#so-far .strip li[data-frame]", "sixth picture of the film": "#so-far .strip li[data-frame='5']",
    "defended verdict": "#so-far .verdict .d strong:not(.not-yet)", "first portrait by the defended model": "#so-far .shot.d img",
    "result": "#job .job.succeeded",
}  # fmt: skip


def measure(backend: str, name: str) -> dict[str, float]:
    """Seconds by what they are of."""
    told: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        server = Server(backend, Path(scratch) / "data")
        try:
            server.answers()
            page = open_page(browser, server.address)
            page.set_default_timeout(LONGEST_MS)
            start_job(page, name)
            page.wait_for_selector(EVIDENCE["result"])
            page.context.close()
            page = open_page(browser, server.address)
            page.set_default_timeout(LONGEST_MS)
            page.locator("#names textarea").fill(name)
            clicked = time.monotonic()
            page.locator("#start").click()
            for what, selector in EVIDENCE.items():
                page.wait_for_selector(selector, state="attached")
                told[f"{what}, s after the click"] = time.monotonic() - clicked
            metrics = page.request.get(f"{server.address}media/{page.url.split('job=')[1]}/metrics.json").json()
            told |= {f"the run's own {part}, s": seconds for part, seconds in metrics["seconds"].items() if seconds is not None}
        finally:
            server.process.terminate()
            server.process.wait(20)
            browser.close()
    return told


def main() -> None:
    """Measure and print, with what else the machine had to do."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure_evidence", description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="ui.worker.tasks")
    parser.add_argument("--name", default="Marcus Bellwyn")
    options = parser.parse_args()
    for what, value in measure(options.backend, options.name).items():
        print(f"{what}: {value:.1f}", flush=True)
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
