"""The server's address, the path under which a proxy serves it, and the signals that stop it."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from types import FrameType
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unlearn.errors import ConfigError

MAX_PORT = 2**16 - 1
EVERYWHERE = {"0.0.0.0": "localhost", "::": "[::1]"}  # what to open in a browser on the same machine
# Behind a root path, links of the page are relative to its address, which a proxy may serve without a slash at its end. The server
# cannot see this where the proxy strips the path. A proxy that redirects to the address without a slash is not asked again.
SLASH_SCRIPT = (
    "<script>if (!location.pathname.endsWith('/') && !performance.getEntriesByType('navigation')[0]?.redirectCount) "
    "location.replace(`${location.pathname}/${location.search}${location.hash}`);</script>"
)
_BIND_ERRORS = {
    errno.EADDRINUSE: "another program uses it; stop that one, or choose another port with --port",
    errno.EACCES: "that needs more rights; choose a port from 1024 on with --port",
    errno.EADDRNOTAVAIL: "this machine does not have that address; give one of its own with --host, or 0.0.0.0 for all",
    errno.EAFNOSUPPORT: "this machine does not have addresses of that kind; give another with --host",
}


@dataclass(frozen=True)
class Address:
    """Where the server listens; `host` is a name, or an address without brackets."""

    host: str
    port: int

    @property
    def bracketed(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def url(self) -> str:
        """What to open in a browser on the same machine."""
        return f"http://{EVERYWHERE.get(self.host, self.bracketed)}:{self.port}/"


def address_of(host: str, port: str) -> Address:
    """The address of `--host` and `--port`, after a check that it is free; port 0 becomes a free port.

    Raises:
        ConfigError: no such port or host, or the address cannot be used.
    """
    name = _host_of(host)
    number = _port_of(port)
    try:
        addresses = socket.getaddrinfo(name, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError, ValueError) as error:
        raise ConfigError(
            f"--host is {host!r}, which is not a name or address of this machine; give an address such as 127.0.0.1, "
            "without http:// and without a port."
        ) from error
    for family, _, _, _, where in dict.fromkeys(addresses):
        number = _free_port(family, (str(where[0]), number), Address(name, number))
    return Address(name, number)


def _host_of(text: str) -> str:
    host = text.strip() or "127.0.0.1"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if "%" in host:
        raise ConfigError(f"--host is {text!r}; an address with a zone cannot stand in a link, so give :: or another address.")
    return str(IPv6Address(host)) if _is_ipv6(host) else host


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _port_of(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= MAX_PORT):
        raise ConfigError(f"--port is {text!r}; give a number from 1 to {MAX_PORT}, or 0 for any free port.")
    return int(digits)


def _free_port(family: int, where: tuple[str, int], address: Address) -> int:
    """The port, or a free one in place of 0."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will: a port that was just released is free
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(where)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = _BIND_ERRORS.get(error.errno or 0, f"{error.strerror or error}")
        raise ConfigError(f"The server cannot listen on {address.bracketed}:{address.port}: {reason}.") from error


def root_path_of(text: str | None) -> str:
    """The path, or whole address, under which a proxy serves the page: "" or "/path" or "https://host/path".

    Raises:
        ConfigError: it cannot be one.
    """
    root = (text or "").strip()
    scheme, separator, rest = root.partition("://")
    if separator:
        try:
            url = urlsplit(root)
            is_address = scheme.lower() in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
        except ValueError:
            is_address = False
        if not is_address or url.query or url.fragment or url.username is not None:
            raise ConfigError(f"--root-path is {root!r}; give a path such as /forget, or https://host/path.")
        return f"{scheme.lower()}://{url.netloc}{quote(_path_of(url.path, root))}"
    return _path_of(rest or root, root)


def _path_of(path: str, root: str) -> str:
    names = [name for name in unquote(path).split("/") if name]
    is_bad = any(name in (".", "..") or any(c in "?#\\" or not c.isprintable() for c in name) for name in names)
    if is_bad:
        raise ConfigError(f"--root-path is {root!r}; give a path such as /forget, without '?', '#', '\\', '.' and '..'.")
    return "".join(f"/{name}" for name in names)


class RootPath:
    """ASGI middleware for a page behind a proxy that serves it under a path.

    Strips the path where the proxy leaves it on, in whichever form the root path was given, and puts `SLASH_SCRIPT` into the page.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._path = unquote(urlsplit(root_path).path) if "://" in root_path else root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request without the path, as if the proxy had stripped it."""
        path = scope.get("path", "")
        if self._path and (path == self._path or path.startswith(f"{self._path}/")):
            scope = {**scope, "path": path.removeprefix(self._path) or "/"}
        is_page = bool(self._path) and scope["type"] == "http" and scope["path"] == "/"
        await self._app(scope, receive, _with_script(send) if is_page else send)


def _with_script(send: Send) -> Send:
    """Sends a page with `SLASH_SCRIPT` first in its head; Gradio's own option `head` comes after its script, which is too late."""
    started: list[Message] = []

    async def send_with_script(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
            return
        if started:
            start = started.pop()
            body = message.get("body", b"")
            headers = MutableHeaders(raw=start["headers"])
            if headers.get("content-type", "").startswith("text/html") and b"<head>" in body:
                message = {**message, "body": body.replace(b"<head>", b"<head>" + SLASH_SCRIPT.encode(), 1)}
                if "content-length" in headers:
                    headers["content-length"] = str(int(headers["content-length"]) + len(SLASH_SCRIPT))
            await send({**start, "headers": headers.raw})
        await send(message)

    return send_with_script


class Stopped(BaseException):
    """Raised in the main thread by the first signal to end; not an `Exception`, so that no handler swallows it."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP (unless it is ignored, as under nohup) end the block with `Stopped`; further ones do nothing."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def stop(number: int, frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)  # cleaning up must not be interrupted
        raise Stopped(signal.Signals(number).name)  # they stay ignored until the process has ended

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    yield
    for number, handler in before.items():
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)
