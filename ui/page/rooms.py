"""A room over HTTP: the page that phones get, its pictures, votes and lines, and the tally for the presenter's page.

Phones are not logged in: whoever has a room's link may vote, until its owner closes it. The presenter's page has another, secret address.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ui.page.gate import NoCall, answer
from ui.server.room import Room
from ui.server.service import Service
from ui.views import room as views
from unlearn.errors import InputError

MAX_BODY = 4000  # bytes: a token, a picture, a line
MAX_ASKED = 50  # outcomes of lines at once
NO_STORE = {"cache-control": "no-store"}  # neither a page, a picture nor an answer stays in a browser's cache
CLOSED = "This room is closed."
TOO_OFTEN = "Too many requests come from your network. Try again in a few seconds."
UNREADABLE = "This request could not be read; reload the page."

Visit = Callable[["Doors", Request, Room], Awaitable[Response]]


def _inside(route: Visit) -> Callable[[Doors, Request], Awaitable[Response]]:
    """The route for phones in an open room that do not ask too often."""

    @wraps(route)
    async def inside(doors: Doors, request: Request) -> Response:
        room = doors.service.rooms.at(request.path_params["code"])
        if room is None:
            return answer(HTTPStatus.NOT_FOUND, CLOSED)
        if not room.lets(request.client.host if request.client else ""):
            return answer(HTTPStatus.TOO_MANY_REQUESTS, TOO_OFTEN)
        try:
            return await route(doors, request, room)
        except InputError as error:
            return answer(HTTPStatus.BAD_REQUEST, str(error))

    return inside


class Doors:
    """The routes' answers."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def page(self, request: Request) -> Response:
        """The page for phones; where the room is closed, one that says so."""
        room = self.service.rooms.at(request.path_params["code"])
        headers = {**NO_STORE, "content-security-policy": views.phone_policy()}
        if room is None:
            return HTMLResponse(views.closed_page(), HTTPStatus.NOT_FOUND, headers)
        return HTMLResponse(views.phone_page(room), headers=headers)

    @_inside
    async def reference(self, request: Request, room: Room) -> Response:
        """Whom to compare with."""
        return Response(room.exhibit.reference, media_type="image/webp", headers=NO_STORE)

    @_inside
    async def picture(self, request: Request, room: Room) -> Response:
        """A portrait to vote on."""
        picture = room.picture(request.path_params["picture"])
        if picture is None:
            return answer(HTTPStatus.NOT_FOUND, "There is no such picture; reload the page.")
        return Response(picture.content, media_type="image/webp", headers=NO_STORE)

    @_inside
    async def ballot(self, request: Request, room: Room) -> Response:
        """What a phone has not voted on yet, in its own order."""
        asked = await _asked(request, phone=str)
        return JSONResponse({"pictures": room.ballot(asked["phone"]), "total": len(room.exhibit.pictures)}, headers=NO_STORE)

    @_inside
    async def vote(self, request: Request, room: Room) -> Response:
        """An answer of a phone; the second one to a picture is not counted."""
        asked = await _asked(request, phone=str, picture=str, yes=bool)
        return JSONResponse({"counted": room.vote(asked["phone"], asked["picture"], asked["yes"])}, headers=NO_STORE)

    @_inside
    async def line(self, request: Request, room: Room) -> Response:
        """A line to be tried."""
        asked = await _asked(request, phone=str, text=str)
        line = room.send(asked["phone"], asked["text"])
        return JSONResponse({"line": line.id, "outcome": line.outcome}, headers=NO_STORE)

    @_inside
    async def lines(self, request: Request, room: Room) -> Response:
        """What became of a phone's own lines, which only it knows by their ids."""
        ids = (await _asked(request, phone=str, lines=list))["lines"]
        if len(ids) > MAX_ASKED or not all(isinstance(one, str) for one in ids):
            raise NoCall(HTTPStatus.BAD_REQUEST, UNREADABLE)
        return JSONResponse({"outcomes": room.lines.outcomes(ids)}, headers=NO_STORE)

    async def board(self, request: Request) -> Response:
        """How it stands, as HTML for the presenter's page."""
        room = self.service.rooms.seen_by(request.path_params["board"])
        if room is None:
            return answer(HTTPStatus.NOT_FOUND, CLOSED)
        return HTMLResponse(await run_in_threadpool(views.board, room), headers=NO_STORE)


async def _asked(request: Request, **kinds: type) -> dict[str, Any]:
    """The values of a request's JSON object.

    Raises:
        NoCall: it is too large, or lacks one of the values.
    """
    body = await request.body()
    if len(body) > MAX_BODY:
        raise NoCall(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request to a room may have at most {MAX_BODY} bytes.")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise NoCall(HTTPStatus.BAD_REQUEST, UNREADABLE) from None
    if not isinstance(asked, dict) or any(type(asked.get(name)) is not kind for name, kind in kinds.items()):
        raise NoCall(HTTPStatus.BAD_REQUEST, UNREADABLE)
    return asked


def routes(service: Service, guarded: Callable[[Any], Any]) -> list[Route]:
    """The routes of rooms; `guarded` lets only visitors in who are logged in."""
    doors = Doors(service)
    posts = {"ballot": doors.ballot, "vote": doors.vote, "line": doors.line, "lines": doors.lines}
    return [
        Route("/room/{code}", doors.page),
        Route("/room/{code}/reference.webp", doors.reference),
        Route("/room/{code}/{picture}.webp", doors.picture),
        *(Route(f"/room/{{code}}/{name}", route, methods=["POST"]) for name, route in posts.items()),
        Route("/room-board/{board}", guarded(doors.board)),
    ]
