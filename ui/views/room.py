"""The room as HTML: the presenter's panel with the QR code, the live tally and board, and the page that phones get."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from ui.server.lines import MAX_LENGTH
from ui.server.room import Room, Share, Tally
from ui.views.render import percent, render
from unlearn.runs.recovery_records import OwnTry
from unlearn.runs.recovery_sentences import score_words, verdict_word, visible

PHONE = Path(__file__).parent / "phone"  # script and style of the page that phones get
QR_BORDER = 3  # modules of white around the code


@dataclass(frozen=True)
class RoomView:
    """What the panel shows.

    Attributes:
        names: of the run's persons.
        chosen: number of the person that is offered first.
        own: the visitor started the job, and may open and close its room.
        room: the open room, where there is one.
        obstacle: why no room can be opened, as a sentence; "" where one can.
    """

    names: list[str]
    chosen: int
    own: bool
    room: Room | None
    obstacle: str = ""


def panel(view: RoomView) -> str:
    """The panel on the presenter's page; tally and board are put into it by the page's script."""
    room = view.room if view.own else None
    opened = None if room is None else {
        "link": room.link, "qr": qr_code(room.link), "board": room.keys.board, "name": room.exhibit.name, "local": is_local(room.link),
        "takes_lines": room.wish.takes_lines, "n_pictures": len(room.exhibit.pictures),
    }  # fmt: skip
    return render("room", names=view.names, chosen=view.chosen, own=view.own, obstacle=view.obstacle, room=opened)


def qr_code(link: str) -> Markup:
    """A link as a QR code in SVG, dark on white also where the page is dark."""
    import segno

    svg = segno.make(link, error="m", micro=False).svg_inline(omitsize=True, border=QR_BORDER, dark="#000", light="#fff", svgclass="qr")
    return Markup(svg)  # made of numbers only


def is_local(link: str) -> bool:
    """Whether a link leads every device to itself, so that a phone cannot open it."""
    host = urlsplit(link).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def board(room: Room) -> str:
    """How votes and lines stand."""
    tally, lines = room.tally(), room.lines.board()
    return render(
        "room_board", name=room.exhibit.name, n_phones=tally.n_phones, sides=_sides(tally), takes_lines=room.wish.takes_lines,
        n_tried=lines.n_tried, n_found=lines.n_found, n_waiting=lines.n_waiting, best=[_line(one) for one in lines.best],
    )  # fmt: skip


def _sides(tally: Tally) -> list[dict[str, Any]]:
    return [_side("o", "Original", tally.original), _side("d", "Defended", tally.defended)]


def _side(side: str, title: str, share: Share) -> dict[str, Any]:
    low, high = share.interval or (None, None)
    return {"side": side, "title": title, "n": share.n, "n_yes": share.n_yes, "share": share.share, "low": low, "high": high,
            "between": "" if low is None else f"{percent(low)} to {percent(high)}"}  # fmt: skip


def _line(one: OwnTry) -> dict[str, Any]:
    word, score = verdict_word(one.found_defended), score_words(one.defended)
    return {"text": visible(one.text), "found": one.found_defended, "word": word, "score": score}


# ---- the page that phones get ------------------------------------------------------------------------------------


def phone_page(room: Room) -> str:
    """A page of its own, without Gradio: votes, and lines where the room takes them."""
    exhibit = room.exhibit
    return render(
        "room_phone", name=exhibit.name, code=room.keys.code, is_photo=exhibit.is_photo, n_pictures=len(exhibit.pictures),
        takes_lines=room.wish.takes_lines, max_length=MAX_LENGTH, script=_part("phone.js"), style=_part("phone.css"),
    )  # fmt: skip


def closed_page() -> str:
    """What a phone reads where there is no room (any more)."""
    return render("room_closed", style=_part("phone.css"))


def phone_policy() -> str:
    """The content policy of both: this server's pictures and answers, and the one script and style that the page holds."""
    return (
        f"default-src 'none'; img-src 'self'; connect-src 'self'; script-src '{_digest('phone.js')}'; style-src '{_digest('phone.css')}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _part(file: str) -> Markup:
    return Markup((PHONE / file).read_text(encoding="utf-8"))


def _digest(file: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256((PHONE / file).read_bytes()).digest()).decode("ascii")
