"""The app behind a proxy and under a root path, with unusable proxies in its environment; killed, started again, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from tests.support.reverse_proxy import reverse_proxy
from tests.support.running_app import ROOT, START_WITHIN_S

HOSTING = {"GRADIO_ROOT_PATH": "forget/", "UNLEARN_ROOT_PATH": "", "ALL_PROXY": "socks://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


def start(data_dir: Path, *flags: str) -> tuple[subprocess.Popen[bytes], Path]:
    """The app with the test backend, which may not be ready yet, and its log."""
    log = data_dir.parent / f"app-{time.monotonic_ns()}.log"
    program = [sys.executable, "-m", "tests.support.ui_app", "--data-dir", str(data_dir), "--port", "0", *flags]
    with log.open("wb") as file:
        return subprocess.Popen(program, cwd=ROOT, stdout=file, stderr=file, env={**os.environ, "UNLEARN_AUTH": "", **HOSTING}), log


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_WITHIN_S
    while "* Running on " not in (text := log.read_text("utf-8")):
        assert process.poll() is None and time.monotonic() < deadline, text
        time.sleep(0.2)
    return text.partition("* Running on ")[2].split()[0]


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_app_under_a_root_path_is_killed_started_again_used_and_stopped(tmp_path: Path) -> None:
    data_dir = tmp_path / "data é+@"
    web = httpx.Client(timeout=60.0, trust_env=False)
    process, log = start(data_dir)
    address = address_in(log, process)
    assert web.post(f"{address}gradio_api/upload", files={"files": ("Aunt Mabel.png", b"x")}).status_code == 200
    process.kill()
    process.wait(20)
    assert "Aunt Mabel.png" in files_in(data_dir)

    process, log = start(data_dir)
    address = address_in(log, process)
    assert "Aunt Mabel.png" not in files_in(data_dir)
    for strips in (True, False):
        with reverse_proxy(address, "/forget", strips=strips) as proxy:
            base = f"{proxy}/forget"
            assert web.get(base).status_code == web.get(f"{base}/").status_code == 200
            assert web.get(f"{base}/config").json()["root"] == base
            assert web.get(f"{base}/people/0-0.webp").headers["content-type"] == "image/webp"
            client = Client(f"{base}/", verbose=False)
            job = client.predict(["Hangs Always"], api_name="/forget")["job"]
            assert client.predict(job, api_name="/status")["state"] in ("queued", "running")
    assert web.post(f"{address}gradio_api/upload", files={"files": ("Uncle Bert.png", b"x")}).status_code == 200
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not (data_dir / "uploads").exists()
    text = log.read_text("utf-8")
    assert "Stopped by SIGTERM" in text and "Bert" not in text and "socks://127.0.0.1:9" in text


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_app_that_is_stopped_while_it_starts_ends_without_a_traceback(tmp_path: Path) -> None:
    process, log = start(tmp_path / "data")
    deadline = time.monotonic() + START_WITHIN_S
    while not (tmp_path / "data" / "jobs.sqlite").exists():  # Gradio is imported next
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    # a SIGHUP that this process ignores (nohup) is ignored by the server, too
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    process.send_signal(signal.SIGHUP if hangs_up else signal.SIGTERM)
    assert process.wait(60) == 0
    told = "Stopped by SIGHUP" if hangs_up else "Stopped by SIGTERM"
    assert told in (text := log.read_text("utf-8")) and "Traceback" not in text
