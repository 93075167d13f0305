"""The gate before all routes: limits of size, unknown calls, bodies that are no calls, and errors of any route.

ASGI middleware. Every refusal is a sentence in {"detail", "error"}; kind and place of an error go to the log. The arguments of endpoints
are checked later (`ui.page.guard`, `ui.page.arguments`), where the answer also reaches clients of queued calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.page import arguments
from ui.page.guard import REFUSED
from ui.page.refusals import log_refused, log_unexpected, unexpected

MAX_BODY = 2_000_000  # bytes; 64 persons with 100 photos each are 1.6 MB of names of uploads
MAX_DRAINED = 200_000_000  # bytes of a larger body that are read and dropped, so that its sender gets the reason
SESSION = re.compile(r"[\w.-]{1,64}", re.ASCII)
CALLS = re.compile(r"(run|api|call/v2|call|queue)/([^/]+)/?")
TOO_LARGE = f"A request may have at most {MAX_BODY // 1_000_000} MB; send less text, and photos as uploads (gradio_client.handle_file)."
LISTED = "/gradio_api/info lists the calls."
GONE = "This event is unknown, or its answer was fetched already."


class NoCall(Exception):
    """A request that cannot be answered, with its status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def answer(status: int, sentence: str) -> Response:
    """A sentence under the keys where clients of Gradio and others look for it."""
    return JSONResponse({"detail": sentence, "error": sentence}, status)


class Gate:
    """ASGI middleware in front of all routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request or hand it on, and turn exceptions into answers."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        has_begun = has_ended = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun, has_ended
            has_begun, has_ended = True, message["type"] == "http.response.body" and not message.get("more_body")
            if message["type"] == "http.response.start" and message["status"] == 500 and scope.get(REFUSED):
                message = {**message, "status": 400}  # Gradio's only answer to errors is 500
            await send(message)

        try:
            receive = await _checked(scope, receive)
            await self._app(scope, receive, watched_send)
        except NoCall as error:
            log_refused(error, f"{scope['method']} request")
            await answer(error.status, error.sentence)(scope, receive, send)
        except Exception as error:
            if not has_begun:
                return await _failed(scope, error)(scope, receive, send)
            log_refused(error, f"{scope['method']} request")
            if not has_ended:  # an answer that is sent in pieces: it ends here
                await send({"type": "http.response.body", "body": b""})


def _failed(scope: Scope, error: Exception) -> Response:
    """The answer to a request whose route raised an exception."""
    where = f"{scope['method']} request"
    is_looking = scope["method"] in ("GET", "HEAD")
    if is_looking and (isinstance(error, OSError | ValueError) or _below_api(scope) is not None):  # a path without a route
        log_refused(error, where)
        return answer(404, "Not here (any more).")
    if _below_api(scope) is not None and scope["method"] == "POST":
        log_refused(error, where)
        return answer(400, f"This call could not be read ({type(error).__name__}); {LISTED}")
    log_unexpected(error, where)
    return answer(500, unexpected(error))


def _below_api(scope: Scope) -> str | None:
    """The path below Gradio's own; None for other paths."""
    _, prefix, path = scope["path"].partition("/gradio_api/")
    return path if prefix else None


async def _checked(scope: Scope, receive: Receive) -> Receive:
    """Where to read the request's body from, after a check that the request can be answered.

    Raises:
        NoCall: it cannot.
    """
    path = _below_api(scope)
    called = CALLS.fullmatch(path or "")
    blocks = getattr(scope.get("app"), "blocks", None)
    if scope["method"] in ("GET", "HEAD"):
        _check_event(path or "", blocks)
        return receive
    if path is not None and path.rstrip("/") == "upload":
        return receive  # has limits of its own
    body = await _read(scope, receive)
    if path is not None and body and (called or _is_json(scope)):
        _check_body(scope, called.groups() if called else None, body, blocks)
    return _again(body, receive)


def _is_json(scope: Scope) -> bool:
    return Request(scope).headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body; one that is too large is read to its end and dropped."""
    declared = Request(scope).headers.get("content-length", "")
    body, n_bytes = bytearray(), 0
    is_large = declared.isdigit() and int(declared[:20]) > MAX_BODY
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the sender has gone
            raise NoCall(400, "The request broke off.")
        n_bytes += len(message.get("body", b""))
        is_large = is_large or n_bytes > MAX_BODY
        if is_large:
            body.clear()
        else:
            body += message.get("body", b"")
        if not message.get("more_body") or n_bytes > MAX_DRAINED:
            break
    if is_large:
        raise NoCall(413, TOO_LARGE)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives a body again that was read already."""
    is_sent = False

    async def replayed() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _check_body(scope: Scope, called: tuple[str, ...] | None, body: bytes, blocks: Any) -> None:
    """Refuse a body that is no call, or a call that does not exist, before Gradio handles it."""
    if called and not _is_json(scope):
        raise NoCall(415, "Send a call as JSON, with the header content-type: application/json.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise NoCall(400, "The body of this call is not valid JSON; send an object.") from None
    if not isinstance(content, dict):
        raise NoCall(400, 'The body of this call is not an object; send one, such as {"data": [...]}.')
    session = content.get("session_hash")
    if session is not None and not (isinstance(session, str) and SESSION.fullmatch(session)):
        raise NoCall(400, "session_hash takes 1 to 64 letters, digits, dots, dashes and underscores.")
    if called is None or blocks is None:
        return
    kind, name = called
    function = _function(blocks, name, content)
    if kind == "call/v2":
        _check_named(function, content)
    elif not isinstance(content.get("data"), list):
        raise NoCall(400, "data is missing or not a list; send the arguments in their order, as in {\"data\": [...]}.")


def _function(blocks: Any, name: str, content: Mapping[str, Any]) -> Any:
    """The function that is called: by number, as pages do, else by name."""
    number = content.get("fn_index")
    if number is not None:
        function = blocks.fns.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
    else:
        function = next((fn for fn in blocks.fns.values() if fn.api_name == name), None)
    if function is None or (number is not None and function.fn is None):
        public = sorted(fn.api_name for fn in blocks.fns.values() if fn.api_visibility == "public")
        raise NoCall(404, f"There is no such call; the endpoints are {', '.join(public)}.")
    return function


def _check_named(function: Any, content: Mapping[str, Any]) -> None:
    """Refuse a call by names whose arguments are unknown or incomplete."""
    parameters = arguments.parameters_of(function.fn)
    names = set(content) - {"oauth_token"}
    missing = [name for name, parameter in parameters.items() if parameter.default is parameter.empty and name not in names]
    if names - set(parameters) or missing:
        raise NoCall(400, arguments.expected(function.fn))


def _check_event(path: str, blocks: Any) -> None:
    """Refuse to wait for the answer of a call that does not exist."""
    kind, _, rest = path.rstrip("/").partition("/")
    name_and_event = rest.removeprefix("v2/").split("/")
    if kind != "call" or blocks is None or len(name_and_event) != 2:
        return
    waiting = list(blocks._queue.pending_event_ids_session.values())  # an event stays in its set until its answer is fetched
    if not any(name_and_event[1] in events for events in waiting):
        raise NoCall(404, GONE)


async def refuse_unreadable(request: Request, error: Exception) -> Response:
    """Answers a body that does not fit the route; names the places, never the values."""
    misfits = error.errors() if isinstance(error, RequestValidationError) else []
    places = dict.fromkeys(str(place) for misfit in misfits for place in misfit["loc"][1:2])
    log_refused(error, f"{request.method} request")
    return answer(400, f"A part of this call is missing or of a wrong kind ({', '.join(places) or 'unknown'}); {LISTED}")


async def explain(request: Request, error: Exception) -> Response:
    """Answers as the routes raise them, with a sentence where they only give the name of the status."""
    if not isinstance(error, HTTPException):
        raise error
    sentence = error.detail
    if not sentence or sentence in (HTTPStatus(error.status_code).phrase, "There was an error parsing the body"):
        sentences = {404: "Not here (any more).", 405: "This address does not take such requests.", 400: "This request could not be read."}
        sentence = sentences.get(error.status_code, f"This request was refused ({error.status_code}).")
    if not isinstance(sentence, str):
        return JSONResponse({"detail": sentence}, error.status_code, error.headers)
    response = answer(error.status_code, sentence)
    response.headers.update(error.headers or {})
    return response


HANDLERS: dict[Any, Any] = {RequestValidationError: refuse_unreadable, HTTPException: explain}
