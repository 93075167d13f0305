"""The whole app as a program of its own, with the stand-in for the models behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent
START_WITHIN_S = 400.0  # on a machine that is busy with other things


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_app(data_dir: Path, *flags: str) -> tuple[subprocess.Popen[bytes], str]:
    """The app with the test backend, and its address once it answers."""
    port = free_port()
    log = (data_dir.parent / f"app-{port}.log").open("wb")
    program = [sys.executable, "-m", "tests.support.ui_app", "--data-dir", str(data_dir), "--port", str(port), *flags]
    process = subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "UNLEARN_AUTH": ""})
    log.close()
    address, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(address, timeout=60.0)
            return process, address
        except httpx.TransportError:
            time.sleep(0.2)
    process.kill()
    raise AssertionError(Path(log.name).read_text(encoding="utf-8", errors="replace"))
