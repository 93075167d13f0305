"""Proxies of the environment: none for loopback, and one that cannot be used is told where the network is asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from unlearn import proxies

ROOT = Path(__file__).parent.parent
UNUSABLE = ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "http://:::", "ftp://proxy:1", "http://[::1", "http://proxy:99999", "http://"]
VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*VARIABLES, "NO_PROXY", "no_proxy", proxies.REPLACED]:
        monkeypatch.setenv(name, "")  # also puts back what the code under test sets
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def loopback() -> Iterator[str]:
    """A server on this machine that answers every request."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("variable", "value"),
    [*(("ALL_PROXY", value) for value in UNUSABLE), *((name, "http://127.0.0.1:9") for name in VARIABLES),
     ("HTTP_PROXY", "127.0.0.1:9"), ("http_proxy", " http://127.0.0.1:9 "), ("http_proxy", "socks://127.0.0.1:9")],
)  # fmt: skip
@pytest.mark.parametrize("direct", ["", "[::1],fe80::/10,a b,*.example.org"])
def test_loopback_is_reached_whatever_the_proxy(
    variable: str, value: str, direct: str, loopback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NO_PROXY", direct)
    proxies.settle_proxies()
    for host in (loopback, loopback.replace("127.0.0.1", "localhost")):
        assert httpx.get(f"http://{host}/").status_code == 204
    kept = os.environ["no_proxy"].split(",")
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"]
    assert not direct or any(entry.endswith("example.org") for entry in kept)


def test_host_that_the_server_is_bound_to_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    proxies.settle_proxies("[2001:db8::1]", "workstation", "")
    assert {"2001:db8::1", "workstation", "::1", "127.0.0.1", "localhost"} <= set(os.environ["NO_PROXY"].split(","))


def test_without_proxies_nothing_is_changed() -> None:
    before = dict(os.environ)
    proxies.settle_proxies("workstation")
    assert dict(os.environ) == before


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "https_proxy"])
def test_unusable_proxy_is_told_and_never_passed_by(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    reason = proxies.why_unreachable("https://hub.example")
    assert reason is not None and reason.startswith(f"cannot be reached (proxy {value}: ")
    with pytest.raises(httpx.ConnectError, match="refused"):  # of the address in its place: it is not asked directly
        httpx.get("https://hub.example")
    proxies.settle_proxies()  # once more, as worker processes do, changes nothing
    assert proxies.why_unreachable("https://hub.example") == reason


def test_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ann:secret@127.0.0.1:9")
    reason = proxies.why_unreachable("https://hub.example")
    assert reason is not None and "(proxy http://127.0.0.1:9: " in reason and "secret" not in reason
    monkeypatch.setenv("HTTPS_PROXY", "socks://ann:secret@127.0.0.1:9")
    reason = proxies.why_unreachable("https://hub.example")
    assert reason is not None and "(proxy socks://127.0.0.1:9: " in reason and "secret" not in reason


def test_dead_host_is_told_at_once_and_a_live_one_not(loopback: str) -> None:
    started = time.perf_counter()
    assert proxies.why_unreachable("http://127.0.0.1:9") is not None
    assert time.perf_counter() - started < proxies.PROBE_TIMEOUT_S + 1
    assert proxies.why_unreachable("no address") is not None
    assert proxies.why_unreachable(f"http://{loopback}") is None


def test_missing_certificates_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    assert "cannot be reached" in str(proxies.why_unreachable("https://hub.example"))


@pytest.mark.parametrize("value", ["socks://127.0.0.1:9"])
def test_full_size_set_behind_such_a_proxy_ends_with_one_line(value: str, tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['unlearn', 'attack', '--set', 'vit-b-32', '--name', 'Ann Lee', '--photos', 'assets']; "
        "from unlearn.cli.app import main; main()"
    )
    outside = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "UNLEARN_OFFLINE")}
    outside.update(ALL_PROXY=value, HF_HUB_CACHE=str(tmp_path / "hub"), UNLEARN_DATA_DIR=str(tmp_path / "data"))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=outside, capture_output=True, text=True, timeout=300)
    told = " ".join(done.stderr.split())
    assert done.returncode == 2 and f"its host cannot be reached (proxy {value}: " in told and "Traceback" not in told
