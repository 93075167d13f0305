"""Where the server listens, the root path, how it stops, and what "auto" means where a GPU cannot be used."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

import app
from ui.page.hosting import SLASH_SCRIPT, RootPath, Stopped, address_of, root_path_of, stopped_by_signals
from ui.server import default_set as asking
from ui.server.default_set import default_set
from ui.server.options import Options
from ui.server.service import Service
from unlearn.config import ForgetConfig, Person, Settings
from unlearn.errors import ConfigError


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


# ---- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "url", "bracketed"),
    [
        ("127.0.0.1", "http://127.0.0.1:{}/", "127.0.0.1"), ("0.0.0.0", "http://localhost:{}/", "0.0.0.0"),
        ("", "http://127.0.0.1:{}/", "127.0.0.1"), ("localhost", "http://localhost:{}/", "localhost"),
        ("::1", "http://[::1]:{}/", "[::1]"), ("[::1]", "http://[::1]:{}/", "[::1]"),
        ("0:0:0:0:0:0:0:1", "http://[::1]:{}/", "[::1]"), ("::", "http://[::1]:{}/", "[::]"), ("[::]", "http://[::1]:{}/", "[::]"),
    ],
)  # fmt: skip
def test_address_has_brackets_where_a_link_needs_them(host: str, url: str, bracketed: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("no IPv6 on this machine")
    address = address_of(host, "0")
    assert 0 < address.port < 2**16
    assert (address.url, address.bracketed) == (url.format(address.port), bracketed)


@pytest.mark.parametrize("port", ["70000", "65536", "-1", "x", "", "7860.0", "7_860", "٧٨٦٠", "1e3", "0x10", "9" * 5000])
def test_port_that_is_none_is_an_error(port: str) -> None:
    with pytest.raises(ConfigError, match="--port is "):
        address_of("127.0.0.1", port)


@pytest.mark.parametrize(
    "host",
    ["no-such-host.invalid", "http://127.0.0.1", "127.0.0.1:7860", "[::1]:7860", "1.2.3.4.5", "a..b", "x" * 300, "fe80::1%eth0", "[::1"],
)
def test_host_that_is_none_is_an_error(host: str) -> None:
    with pytest.raises(ConfigError, match="--host is "):
        address_of(host, "0")


def test_port_in_use_and_foreign_address_are_errors(busy_port: int) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(ConfigError, match=f"cannot listen on {host}:{busy_port}: another program uses it"):
            address_of(host, str(busy_port))
    with pytest.raises(ConfigError, match="does not have that address"):
        address_of("203.0.113.5", "0")


# ---- root path ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "root_path"),
    [
        (None, ""), ("", ""), ("/", ""), (" /forget ", "/forget"), ("forget", "/forget"), ("/forget/", "/forget"),
        ("//a//b/", "/a/b"), ("/a%20b", "/a b"), ("/proxy/7860", "/proxy/7860"), ("https://h.example", "https://h.example"),
        ("https://h.example/", "https://h.example"), ("HTTPS://h.example:8443/a b/", "https://h.example:8443/a%20b"),
    ],
)  # fmt: skip
def test_root_path_is_a_path_or_an_address(text: str | None, root_path: str) -> None:
    assert root_path_of(text) == root_path
    assert root_path_of(root_path) == root_path


@pytest.mark.parametrize(
    "text",
    ["/a?b", "/a#b", "/../a", "a/./b", "https://", "ftp://h/a", "https://h/?a", "https://h:x/", "https://u:p@h/", "/a\nb", "a\\b"],
)
def test_root_path_that_cannot_be_one_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="--root-path is "):
        root_path_of(text)


@pytest.mark.parametrize("root_path", ["", "/forget", "/for get/é", "https://h.example/forget", "https://h.example"])
def test_requests_arrive_with_the_path_and_without_it(root_path: str) -> None:
    async def page(_request: Request) -> Response:
        return HTMLResponse("<html><head><title>é</title></head></html>")

    async def file(request: Request) -> Response:
        return PlainTextResponse(request.path_params["name"])

    app = Starlette(
        routes=[Route("/", page), Route("/media/{name:path}", file)], middleware=[Middleware(RootPath, root_path=root_path)]
    )
    path = "/" + root_path.partition("://")[2].partition("/")[2] if "://" in root_path else root_path
    client = TestClient(app)
    for prefix in {"", path.rstrip("/")}:
        assert client.get(f"{prefix}/media/a/b.png").text == "a/b.png"
        for slash in ("/", "" if prefix else "/"):
            text = client.get(f"{prefix}{slash}").text  # fails on a wrong length
            assert text.endswith("<title>é</title></head></html>") and (SLASH_SCRIPT in text) == (path not in ("", "/"))
    assert client.get("/forgetful/media/a").status_code == 404


# ---- signals -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_ends_the_block_once_and_further_ones_leave_cleaning_up_alone(number: signal.Signals) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    cleaned = False
    for n in before:  # whoever runs the tests in the background may have them ignore two of these
        signal.signal(n, signal.SIG_DFL)
    try:
        with pytest.raises(Stopped, match=number.name), stopped_by_signals():
            try:
                os.kill(os.getpid(), number)
                time.sleep(10)
            finally:
                for other in before:
                    os.kill(os.getpid(), other)
                time.sleep(0.1)
                cleaned = True
        assert cleaned
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_hangup_that_is_ignored_stays_so_and_handlers_are_put_back() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)  # as under nohup
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and signal.getsignal(signal.SIGTERM) is kept
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- settings ----------------------------------------------------------------------------------------------------


def test_flags_become_settings_of_the_tasks_and_leave_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda:7")
    monkeypatch.setenv("UNLEARN_MAX_ZIP_MB", "9")
    before = dict(os.environ)
    flags = app._parser().parse_args(["--data-dir", str(tmp_path), "--device", "cpu", "--threads", "3", "--face-pack", "antelopev2"])
    settings = app.settings_of(flags)
    assert settings == Settings(tmp_path, "cpu", n_threads=3, max_zip_mb=9, face_pack="antelopev2")
    service = Service(settings, Options(backend="tests.support.ui_fixture"))
    task = service.jobs._task(service.forget(ForgetConfig((Person("Ann Lee"),)), "ann"))
    service.stop()
    assert Settings.from_plain(task.settings) == settings and dict(os.environ) == before


# ---- the default set ---------------------------------------------------------------------------------------------

WORKS = '{"gpu": true, "built_for": "13.0", "said": [], "set": "sd14"}'
ANSWERS = [
    (f"print('a line of a library'); print('{WORKS}')", "sd14", None),
    ("""print('{"gpu": false, "built_for": null, "said": [], "set": "embedded"}')""", "embedded", "built without CUDA"),
    ("""print('{"gpu": false, "built_for": "13.0", "said": ["driver too old"], "set": "embedded"}')""", "embedded", "driver too old"),
    ("import os; os.kill(os.getpid(), 11)", "embedded", "was ended by SIGSEGV"),
    ("raise ImportError('libcudart is missing')", "embedded", "exit code 1 (ImportError: libcudart is missing)"),
    ("print('sd14')", "embedded", "printed something else"), ("print('[]')", "embedded", "printed something else"),
    ("pass", "embedded", "printed something else"), ("import time; time.sleep(600)", "embedded", "no answer within"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "name", "problem"), ANSWERS)
def test_default_set_where_torch_answers_crashes_or_hangs(
    code: str, name: str, problem: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asking.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(asking, "QUESTION", code)
    monkeypatch.setattr(asking, "WITHIN_S", 2.0 if "sleep" in code else 60.0)
    chosen = default_set(Settings())
    assert (chosen.name, bool(chosen.notice)) == (name, problem is not None)
    assert problem is None or problem in caplog.text
    if problem is not None:
        with pytest.raises(ConfigError, match="device is 'cuda'"):
            default_set(Settings(device="cuda"))


def test_default_set_without_a_gpu_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_ask_torch", lambda settings: pytest.fail("asked"))
    monkeypatch.setattr(asking.shutil, "which", lambda program: None)
    assert default_set(Settings()).name == "embedded"
    monkeypatch.setattr(asking.shutil, "which", lambda program: sys.executable)
    assert default_set(Settings(device="cpu")) == asking.DefaultSet("embedded")


def test_question_to_torch_is_answered_for_this_machine_with_the_servers_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "no device")
    answer = asking._ask_torch(Settings())
    assert isinstance(answer, dict) and isinstance(answer["gpu"], bool) and answer["set"] in ("embedded", "sd14")
