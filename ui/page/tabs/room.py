"""Tab: the room, in which an audience votes by phone and tries to break the defence."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ui.page.screen import Screen, View, Visit
from ui.server.gpu_need import on_cpu
from ui.server.room import RoomWish
from ui.server.service import Service
from ui.views import room as views
from ui.views.render import render
from unlearn.errors import InputError

MAX_ADDRESS = 300
OFF = "Rooms are switched off on this server."
PREPARED_RUN = (
    "In a room, an audience votes by phone. This is the prepared example: start a job of your own, and you can open a room for its result."
)
NOT_OWN = "This job was started by somebody else; only who started it can open or close its room."
NO_ADDRESS = "The address of this page could not be read; reload the page and try again."


def show(view: View) -> str:
    """The panel: an offer to open the room, or the room."""
    if view.run is None:
        return render("waiting", text="The room can be opened when the result is there.")
    rooms = view.service.rooms
    chosen = view.chosen if view.chosen < len(view.run.names) else 0
    obstacle = OFF if not rooms.max_rooms else PREPARED_RUN if view.run.is_prepared else ""
    return views.panel(views.RoomView(view.run.names, chosen, view.own, rooms.of(view.key), obstacle))


def build(screen: Screen) -> None:
    """Lay out the tab."""
    panel = screen.html(show, fresh=True, elem_id="room")

    def act(memory: dict[str, Any], visit: Visit) -> None:
        view = View(screen.service, screen.key(memory), visit.owner, screen.chosen(memory))
        match visit.clicked("action"):
            case "room-open":
                _open(view, str(visit.clicked("value") or ""))
            case "room-close":
                _require_own(view)
                view.service.rooms.close(view.key)

    screen.on(panel.click, act)


def _open(view: View, value: str) -> None:
    """Open the room; the page's script says for whom and at which address, as "NUMBER ADDRESS"."""
    _require_own(view)
    if view.run is None:
        raise InputError("There is no result to vote on yet.")
    person, _, address = value.partition(" ")
    number = int(person) if person.isascii() and person.isdigit() and len(person) < 4 else 0
    view.service.rooms.open(view.run, number, RoomWish(view.key, view.owner, page_address(address), takes_lines(view.service)))


def _require_own(view: View) -> None:
    if not view.own:
        raise InputError(NOT_OWN)


def takes_lines(service: Service) -> bool:
    """Whether lines can be tried: a GPU that the platform lends is lent to a visitor, and a room is none."""
    return service.options.zero is None or on_cpu(service.options.model_set, service.settings.device)


def page_address(text: str) -> str:
    """The page's address, with a slash at its end.

    Raises:
        InputError: it is none.
    """
    try:
        url = urlsplit(text)
        is_address = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        is_address = False
    if not is_address or len(text) > MAX_ADDRESS or url.query or url.fragment or url.username is not None or not text.isprintable():
        raise InputError(NO_ADDRESS)
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}/"
