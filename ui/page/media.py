"""Files of runs, pictures of people and archives over HTTP, and the headers that keep every request at home.

Serves only what lies in the folder of a job whose unguessable id the caller knows.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import lru_cache, wraps
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.page import rooms
from ui.page.documents import POLICY, Documents
from ui.page.gate import HANDLERS, Gate
from ui.page.pulse import pulses_of
from ui.server.photos import thumbnail
from ui.server.service import Service
from unlearn.runs.files import stays, taken_home

THUMBNAIL_PX = 128
PHOTOS_SHOWN, UNSHOWN = "shown", "faces/"  # in a search's folder, see `ui.worker.photos`
SHOWN = (".png", ".webp", ".jpg")  # everything else, except the report, is offered as a download
# The browser refuses requests to other hosts. Gradio's page needs inline scripts and styles, and functions made from text (its
# HTML templates); pictures may be data URIs.
PAGE_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
# Routes of Gradio that this page does not use: a copy of an open page for anybody who names its session, and video processing.
CLOSED = ("/gradio_api/deep_link", "/gradio_api/process_recording")


class Headers:
    """ASGI middleware: content policy, and no referrer (the link to a job is a secret)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every HTTP answer that lacks them."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", PAGE_POLICY)
                headers.setdefault("referrer-policy", "no-referrer")
                headers.setdefault("x-content-type-options", "nosniff")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def signed_in(request: Request) -> bool:
    """True when no login is needed, or this browser is logged in: the rule of Gradio's own routes."""
    app = request.app
    if app.auth is None and app.auth_dependency is None:
        return True
    cookies = (request.cookies.get(f"access-token{kind}-{app.cookie_id}") for kind in ("", "-unsecure"))
    return any(token in app.tokens for token in cookies if token)


def _guarded(route: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The route for visitors who are logged in."""

    @wraps(route)
    async def guarded(request: Request) -> Response:
        return await route(request) if signed_in(request) else Response("Log in on the page first, then reload this address.", 401)

    return guarded


def _inside(folder: Path, name: str) -> Path | None:
    try:
        path = (folder / name).resolve()
        return path if path.is_file() and path.is_relative_to(folder.resolve()) and not stays(folder, path) else None
    except (OSError, ValueError):  # longer than the system takes, or with a NUL
        return None


def archive(folder: Path) -> Path:
    """A zip of the files that may leave a run's folder, uncompressed (weights and PNGs do not shrink), as a temporary file."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
                for path in taken_home(folder):
                    packed.write(path, path.relative_to(folder).as_posix())
        except BaseException:
            Path(file.name).unlink()
            raise
    return Path(file.name)


class _Digits(Convertor[str]):
    """A number in a path, as its digits: Python refuses to convert thousands of them."""

    regex = "[0-9]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("digits", _Digits())


class Pages:
    """The routes' answers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._thumbnail = lru_cache(maxsize=256)(self._make_thumbnail)

    async def media(self, request: Request) -> Response:
        """A file of a job: shown if it is a picture or the report, else offered as a download."""
        folder = await run_in_threadpool(self._service.run_folder, request.path_params["key"])
        name = request.path_params["name"]
        path = None if folder is None or name.startswith(UNSHOWN) else _inside(folder, name)
        if path is None:
            return _gone()
        headers = {"cache-control": "private, no-cache"}  # asked for again each time, so that deleted files disappear
        if name.startswith(f"{PHOTOS_SHOWN}/"):
            headers = {"cache-control": "no-store"}  # the browser's disk keeps no photo of a visitor either
        if path.name == "report.html":
            return FileResponse(path, headers={**headers, "content-security-policy": POLICY})
        kind = "inline" if path.suffix in SHOWN else "attachment"
        return FileResponse(path, headers=headers, filename=path.name, content_disposition_type=kind)

    async def take_home(self, request: Request) -> Response:
        """Everything of a finished run that may leave the server, as a zip."""
        run = await run_in_threadpool(self._service.run, request.path_params["key"])
        if run is None:
            return _gone()
        try:
            packed = await run_in_threadpool(archive, run.folder)
        except FileNotFoundError:  # deleted meanwhile
            return _gone()
        return FileResponse(packed, filename="forgotten.zip", background=BackgroundTask(packed.unlink))

    async def pulse(self, request: Request) -> Response:
        """News for an open page, see `ui.page.pulse`."""
        progress = request.query_params.get("seen", "")
        news = await run_in_threadpool(pulses_of(self._service).beat, request.path_params["token"], progress)
        return JSONResponse(news, headers={"cache-control": "no-store"})

    async def health(self, request: Request) -> Response:
        """Whether jobs are worked on; names nobody."""
        state = await run_in_threadpool(self._service.jobs.health)
        body = {"is_well": state.is_well, "lanes": [asdict(lane) for lane in state.lanes], "notes": list(state.notes)}
        return JSONResponse(body, 200 if state.is_well else 503, headers={"cache-control": "no-store"})

    async def person(self, request: Request) -> Response:
        """A small picture of a person of the model set."""
        index, shot = request.path_params["index"], request.path_params["shot"]
        content = await run_in_threadpool(self._thumbnail, int(index), int(shot)) if len(index) < 7 and len(shot) < 7 else None
        if content is None:
            return Response("No picture.", 404)
        return Response(content, media_type="image/webp", headers={"cache-control": "max-age=3600"})

    def _make_thumbnail(self, index: int, shot: int) -> bytes | None:
        image = self._service.photo(index, shot)
        return None if image is None else thumbnail(image, THUMBNAIL_PX)


def _gone() -> Response:
    return Response("Not here (any more).", 404)


async def _closed(request: Request) -> Response:
    return _gone()


def routes(service: Service) -> list[Route]:
    """The routes beside Gradio's own."""
    pages = Pages(service)
    return [
        *(Route(path, _closed, methods=["GET", "POST"]) for path in CLOSED),
        Route("/health", pages.health),  # for monitoring, which is not logged in
        Route("/pulse/{token}", _guarded(pages.pulse)),
        Route("/media/{key}/{name:path}", _guarded(pages.media)),
        Route("/media/{key}", _closed),  # otherwise the router would redirect to the path with a slash
        Route("/take-home/{key}.zip", _guarded(pages.take_home)),
        Route("/documents/{key}/{document}", _guarded(Documents(service).answer), methods=["GET", "POST"]),
        *rooms.routes(service, _guarded),
        Route("/people/{index:digits}-{shot:digits}.webp", _guarded(pages.person)),
    ]


def app_kwargs(service: Service) -> dict[str, object]:
    """What `launch` hands on to its web application."""
    return {"routes": routes(service), "middleware": [Middleware(Headers), Middleware(Gate)], "exception_handlers": HANDLERS}
