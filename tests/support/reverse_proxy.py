"""A small reverse proxy that serves a server under a path, for tests; streams answers as they come."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def reverse_proxy(upstream: str, path: str, *, strips: bool, keeps_host: bool = True) -> Iterator[str]:
    """The address of a proxy that serves `upstream` below `path` and answers 404 to everything else.

    Args:
        upstream: address of the server.
        path: such as "/forget".
        strips: whether the path is taken off before a request is handed on.
        keeps_host: whether the server is told the name that the browser asked for.
    """
    target = urlsplit(upstream)

    class Proxy(BaseHTTPRequestHandler):
        def forward(self) -> None:
            asked, _, _ = self.path.partition("?")
            asked = unquote(asked)
            if asked != path and not asked.startswith(f"{path}/"):
                self.send_error(404)
                return
            handed_on = self.path[len(self.path) - len(self.path.removeprefix(path)) :] if strips else self.path
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            if not keeps_host:
                headers["Host"] = target.netloc
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            connection.request(self.command, handed_on if handed_on.startswith("/") else f"/{handed_on}", body or None, headers)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with suppress(ConnectionError):  # the browser went away
                while piece := answer.read1(65536):
                    self.wfile.write(piece)
                    self.wfile.flush()
            connection.close()
            self.close_connection = True

        do_GET = do_POST = do_HEAD = do_DELETE = forward

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
