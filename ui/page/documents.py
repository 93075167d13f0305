"""What is handed on of a run over HTTP: report, letter and share card, made when they are asked for and kept nowhere.

What a visitor says of the request comes in the body of the form, never in an address, and reaches no log.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ui.server.flood import Flood
from ui.server.service import Service
from unlearn.errors import ConfigError, InputError, UnlearnError
from unlearn.runs.documents.card import card_png
from unlearn.runs.documents.details import FIELDS, Details, details_of
from unlearn.runs.documents.letter import letter_html, letter_text
from unlearn.runs.documents.officer import officer_html, officer_json
from unlearn.runs.results import Run

POLICY = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; sandbox allow-same-origin"  # of pages made of a run
AT_ONCE, PER_S = 120, 1.0  # documents for one address; each takes about half a second of a core
TOO_OFTEN = "Too many documents were asked for from your network. Try again in a minute."
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Document:
    """A kind of document: how it is made, its media type, its file name, and whether it is shown or offered as a download."""

    make: Callable[[Run, Details], str | bytes]
    media_type: str
    file_name: str
    is_shown: bool = False


def officer_json_text(run: Run, details: Details) -> str:
    """The report's JSON as the text of a file."""
    return json.dumps(officer_json(run, details), ensure_ascii=False, indent=1)


DOCUMENTS = {
    "report": Document(officer_html, HTML, "report.html", is_shown=True),
    "report.html": Document(officer_html, HTML, "report.html"),
    "report.json": Document(officer_json_text, "application/json", "report.json"),
    "letter": Document(letter_html, HTML, "letter.html", is_shown=True),
    "letter.txt": Document(letter_text, TEXT, "letter.txt"),
    "card.png": Document(card_png, "image/png", "card.png"),
}


class Documents:
    """The route's answers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._flood = Flood(AT_ONCE, PER_S)

    async def answer(self, request: Request) -> Response:
        """The document of a finished run, with the details of the form."""
        document = DOCUMENTS.get(request.path_params["document"])
        if document is None:
            return Response("Not here (any more).", 404)
        if not self._flood.lets(request.client.host if request.client else ""):
            return Response(TOO_OFTEN, HTTPStatus.TOO_MANY_REQUESTS, media_type=TEXT)
        body = await request.body() if request.method == "POST" else b""  # an address holds no details
        try:
            return await run_in_threadpool(self._made, request.path_params["key"], document, body)
        except UnlearnError as error:
            return Response(str(error), 400, media_type=TEXT)

    def _made(self, key: str, document: Document, body: bytes) -> Response:
        run = self._service.run(key)
        if run is None:
            return Response("Not here (any more).", 404)
        headers = {"cache-control": "no-store", "content-security-policy": POLICY}
        if not document.is_shown:
            headers["content-disposition"] = f'attachment; filename="{document.file_name}"'
        return Response(document.make(run, details_of(_fields(body))), media_type=document.media_type, headers=headers)


def made(run: Run, kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """A document as values of JSON, for callers: the report as page and figures, the letter as page and text, the card as base64.

    Raises:
        ConfigError: there is no such document, or an unknown detail.
        InputError: a detail cannot be used, or does not fit the run.
    """
    details = details_of(values)
    if kind == "report":
        return {"html": officer_html(run, details), "json": officer_json(run, details)}
    if kind == "letter":
        return {"html": letter_html(run, details), "text": letter_text(run, details)}
    if kind == "card":
        return {"png": base64.b64encode(card_png(run, details)).decode("ascii")}
    raise ConfigError("kind takes report, letter or card.")


def _fields(body: bytes) -> dict[str, str]:
    """The fields of a form.

    Raises:
        InputError: this is no form.
    """
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=len(FIELDS)))
    except ValueError as error:
        raise InputError("The form could not be read; send its fields as application/x-www-form-urlencoded.") from error
