"""A room without a server: blind pictures, an order a phone, one vote a picture and phone, intervals, lines, and what is kept of phones."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.support import ui_fixture_runs
from ui.page.tabs.room import page_address
from ui.server import lines, room
from ui.server.exhibit import exhibit_of
from ui.server.flood import MAX_KEYS, Flood
from ui.server.lines import Lines
from ui.server.room import Room, RoomWish, Share
from ui.views.room import RoomView, board, is_local, panel, phone_page, phone_policy, qr_code
from unlearn.config import ForgetConfig, Person, PortraitConfig
from unlearn.errors import InputError
from unlearn.runs.recovery_records import OwnTry, TryScore
from unlearn.runs.results import Run, read_run

ADDRESS = "https://host.example/forget/"
NASTY = "<img src=x onerror=alert(1)>"
NAME = "Tilda Brackwater"


def phone(number: int) -> str:
    return f"{number:022d}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    config = ForgetConfig((Person(NAME), Person("Orson Vell")), portraits=PortraitConfig(seeds=(0, 1, 2)))
    ui_fixture_runs.write_run(folder, config, [])
    found = read_run("job-id", folder)
    assert found is not None
    return found


@pytest.fixture
def opened(run: Run) -> Room:
    return Room(RoomWish("job-id", "ann", ADDRESS), exhibit_of(run, 0))


def tried(text: str, n_templates: int, is_found: bool | None = None) -> OwnTry:
    found = n_templates > 4 if is_found is None else is_found
    return OwnTry(TryScore(True, 21), TryScore(found, n_templates, n_templates / 21), text, True, found)


# ---- pictures ----------------------------------------------------------------------------------------------------


def test_pictures_are_as_many_by_each_model_and_tell_nothing_of_it(run: Run) -> None:
    exhibit = exhibit_of(run, 0)
    assert [picture.model for picture in exhibit.pictures].count("original") == len(exhibit.pictures) / 2 == 3
    assert len({picture.id for picture in exhibit.pictures}) == 6 and all(re.fullmatch(r"[\w-]{12}", one.id) for one in exhibit.pictures)
    again = {picture.id for picture in exhibit_of(run, 0).pictures}
    assert not again & {picture.id for picture in exhibit.pictures}, "the ids are drawn anew for each room"
    for picture in exhibit.pictures:
        image = Image.open(io.BytesIO(picture.content))
        assert image.format == "WEBP" and not {"exif", "xmp", "icc_profile"} & set(image.info)


def test_small_pictures_are_shown_as_they_were_drawn(run: Run) -> None:
    entry = next(entry for entry in run.portraits if entry.model == "original" and entry.prompt == "name")
    drawn = np.array(Image.open(run.folder / "portraits" / entry.file).convert("RGB"))
    shown = [np.array(Image.open(io.BytesIO(one.content)).convert("RGB")) for one in exhibit_of(run, 0).pictures]
    assert sum(np.array_equal(drawn, one) for one in shown) == 1


def test_reference_is_a_photo_where_there_is_one_else_a_portrait_that_is_not_voted_on(run: Run) -> None:
    assert exhibit_of(run, 0).is_photo
    without = exhibit_of(replace(run, predictions=()), 0)
    assert not without.is_photo and [picture.model for picture in without.pictures] == ["original", "defended"] * 2
    assert without.reference not in [picture.content for picture in without.pictures]


def test_nothing_to_vote_on_is_said(run: Run) -> None:
    one_seed = tuple(entry for entry in run.portraits if entry.seed == 0)
    of_one_model = tuple(entry for entry in run.portraits if entry.model == "original")
    image_only = replace(run.config, encoder="image")
    cases = (
        (replace(run, config=image_only), "only the image encoder"), (replace(run, portraits=of_one_model), "no portraits"),
        (replace(run, portraits=one_seed, predictions=()), "no other seed"),
    )  # fmt: skip
    for changed, sentence in cases:
        with pytest.raises(InputError, match=sentence):
            exhibit_of(changed, 0)
    with pytest.raises(InputError, match="the run has 2"):
        exhibit_of(run, 2)


# ---- votes -------------------------------------------------------------------------------------------------------


def test_each_phone_has_an_order_of_its_own_that_stays(opened: Room) -> None:
    orders = [tuple(opened.ballot(phone(number))) for number in range(30)]
    assert len(set(orders)) > 20 and len({frozenset(order) for order in orders}) == 1
    assert orders[3] == tuple(opened.ballot(phone(3)))
    models = {picture.id: picture.model for picture in opened.exhibit.pictures}
    firsts = {models[order[0]] for order in orders}
    assert firsts == {"original", "defended"}


def test_phone_counts_once_a_picture_and_its_first_answer_stays(opened: Room) -> None:
    first, *rest = opened.ballot(phone(1))
    model = opened.picture(first)
    assert model is not None
    assert opened.vote(phone(1), first, True) and not opened.vote(phone(1), first, False)
    assert opened.ballot(phone(1)) == rest and first in opened.ballot(phone(2))
    assert opened.vote(phone(2), first, False)
    tally = opened.tally()
    assert getattr(tally, model.model) == Share(1, 2) and tally.n_phones == 2
    assert tally.original.n + tally.defended.n == 2


def test_votes_that_cannot_be_counted_are_refused(opened: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = opened.exhibit.pictures[0].id
    for token in ("", "short", "x" * 23, "ä" * 22, phone(1) + "\n"):
        with pytest.raises(InputError, match="no token"):
            opened.vote(token, picture, True)
    with pytest.raises(InputError, match="no such picture"):
        opened.vote(phone(1), "p00-original-name-s0.png", True)
    monkeypatch.setattr(room, "MAX_PHONES", 2)
    assert opened.vote(phone(1), picture, True) and opened.vote(phone(2), picture, True)
    with pytest.raises(InputError, match="2 phones"):
        opened.vote(phone(3), picture, True)
    assert opened.vote(phone(1), opened.exhibit.pictures[1].id, True) and opened.tally().n_phones == 2


def test_nothing_of_a_phone_is_kept_but_a_digest(opened: Room) -> None:
    token, address = phone(123456789), "203.0.113.77"
    opened.lets(address)
    opened.vote(token, opened.exhibit.pictures[0].id, True)
    opened.send(token, "the one with the hat")
    kept = "".join(repr(vars(part)) for part in (opened, opened._flood, opened.lines, opened.lines._flood))
    assert "the one with the hat" in kept and token not in kept and address not in kept
    other = Room(opened.wish, opened.exhibit)
    assert opened._digest("phone", token) != other._digest("phone", token), "the salt is the room's"


@pytest.mark.parametrize(("n_yes", "n"), [(8, 10), (0, 10), (10, 10), (1, 3), (37, 120)])
def test_interval_is_wilsons(n_yes: int, n: int) -> None:
    z, p = 1.959963984540054, n_yes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    interval = Share(n_yes, n).interval
    assert interval is not None and interval == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_interval_by_hand_and_of_nobody() -> None:
    assert Share(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=5e-5)  # Wilson 1927, worked out with a calculator
    assert Share(0, 0).interval is None and Share(0, 0).share is None


# ---- floods ------------------------------------------------------------------------------------------------------


def clock() -> tuple[Callable[[], float], Callable[[float], None]]:
    now = [0.0]

    def add(seconds: float) -> None:
        now[0] += seconds

    return lambda: now[0], add


def test_flood_holds_back_one_key_and_gives_back_with_time() -> None:
    now, wait = clock()
    flood = Flood(3, 0.5, now)
    assert [flood.lets("a") for _ in range(4)] == [True, True, True, False] and flood.lets("b")
    wait(2.0)
    assert [flood.lets("a") for _ in range(2)] == [True, False]
    wait(1000.0)
    assert [flood.lets("a") for _ in range(4)] == [True, True, True, False]
    for number in range(MAX_KEYS + 10):
        flood.lets(number)
    assert len(flood._buckets) == MAX_KEYS


# ---- lines -------------------------------------------------------------------------------------------------------


def test_lines_are_tried_in_their_order_and_counted_once() -> None:
    queue = Lines()
    first, second = queue.add("  Captain   Storm ", b"a"), queue.add("Tilly", b"b")
    assert queue.add("captain storm", b"c") is first and first.text == "Captain Storm"
    assert queue.next() is first and queue.next() is second and queue.next() is None
    queue.answer(first, tried("Captain Storm", 18))
    queue.answer(second, None)
    assert queue.outcomes([first.id, second.id, "unknown"]) == {first.id: "found", second.id: "not tried"}
    shown = queue.board()
    assert (shown.n_tried, shown.n_found, shown.n_waiting) == (1, 1, 0) and [one.text for one in shown.best] == ["Captain Storm"]


def test_board_has_what_found_the_person_first_and_few_lines() -> None:
    queue = Lines()
    for number in range(12):
        line = queue.add(f"try {number}", bytes([number]))
        queue.answer(line, tried(line.text, 0 if number != 7 else 9))
    best = queue.board().best
    assert best[0].text == "try 7" and len(best) == lines.MAX_BEST
    undecided = queue.add("nobody can say", b"z")
    queue.answer(undecided, OwnTry(TryScore(), TryScore(), "nobody can say"))
    assert queue.board().n_tried == 12 and queue.outcomes([undecided.id]) == {undecided.id: "not tried"}


@pytest.mark.parametrize("text", ["", "   ", "x" * 81, "a\x07b", "a\x00"])
def test_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="1 to 80 characters|control characters"):
        Lines().add(text, b"a")


def test_crowd_cannot_hold_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    now, wait = clock()
    queue = Lines(now)
    for number in range(lines.AT_ONCE):
        queue.add(f"mine {number}", b"a")
    with pytest.raises(InputError, match="Wait a few seconds"):
        queue.add("mine again", b"a")
    wait(1.01 / lines.PER_S)
    queue.add("mine again", b"a")
    for number in range(lines.MAX_WAITING - lines.AT_ONCE - 1):
        queue.add(f"theirs {number}", f"{number}".encode())
    with pytest.raises(InputError, match="40 lines are waiting"):
        queue.add("one too many", b"b")
    queue.next()
    monkeypatch.setattr(lines, "MAX_LINES", lines.MAX_WAITING)
    with pytest.raises(InputError, match="all that it takes"):
        queue.add("one too many", b"c")


# ---- pages -------------------------------------------------------------------------------------------------------


def test_board_escapes_lines_and_tells_shares_with_intervals(opened: Room) -> None:
    line = opened.send(phone(1), NASTY)
    opened.lines.answer(line, tried(NASTY + "\u202e", 18))
    empty = board(opened)
    assert "–" in empty and "interval" not in empty.split("phone")[0]
    for picture in opened.exhibit.pictures:
        for number in range(4):
            opened.vote(phone(number), picture.id, picture.model == "original" or number == 0)
    html = board(opened)
    assert NASTY not in html and "&lt;img" in html and "⟨U+202E⟩" in html
    assert "12 of 12 answers are yes" in html and "3 of 12 answers are yes" in html
    assert "76 %" in html.replace("\N{NO-BREAK SPACE}", " ") and "4 phones voted" in html and "<strong>1</strong> of 1 line found" in html


def test_phones_page_is_blind_and_names_are_text(run: Run) -> None:
    opened = Room(RoomWish("job-id", "ann", ADDRESS), replace(exhibit_of(run, 0), name=f"<b>{NAME}</b>"))
    html = phone_page(opened)
    assert f"<b>{NAME}" not in html and f"&lt;b&gt;{NAME}" in html
    assert "job-id" not in html and "seed" not in html and "defended-name" not in html and opened.keys.board not in html
    assert all(picture.id not in html for picture in opened.exhibit.pictures)
    assert not re.search(r"(src|href)=.?(https?:|//)", html)
    assert " style=" not in html and " onclick=" not in html, "the policy of the page forbids both"
    assert "unsafe" not in phone_policy() and phone_policy().count("sha256-") == 2
    votes_only = phone_page(Room(RoomWish("job-id", "ann", ADDRESS, takes_lines=False), exhibit_of(run, 0)))
    assert "Break it" in html and "Break it" not in votes_only


def test_panel_shows_the_room_to_its_owner_alone(opened: Room) -> None:
    own = panel(RoomView([NAME], 0, True, opened))
    assert opened.link in own and opened.keys.board in own and 'data-action="room-close"' in own and "<svg" in own
    guest = panel(RoomView([NAME], 0, False, opened))
    assert opened.keys.code not in guest and opened.keys.board not in guest and "data-action" not in guest
    offered = panel(RoomView([NAME, NASTY], 1, True, None))
    assert 'data-action="room-open"' in offered and "<select" in offered and NASTY not in offered
    assert "data-action" not in panel(RoomView([NAME], 0, True, None, "Rooms are switched off."))


def test_panel_says_when_phones_cannot_open_the_link(opened: Room) -> None:
    assert opened.link == f"{ADDRESS}room/{opened.keys.code}" and "--host 0.0.0.0" not in panel(RoomView([NAME], 0, True, opened))
    local = Room(replace(opened.wish, address="http://127.0.0.1:7860/"), opened.exhibit)
    assert "--host 0.0.0.0" in panel(RoomView([NAME], 0, True, local))
    links = ("http://localhost/", "http://[::1]:7860/", "http://127.5.0.1/", "http://a.localhost:1/")
    assert all(map(is_local, links)) and not any(map(is_local, ("http://192.168.1.20:7860/", "https://localhost.example/")))


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("http://127.0.0.1:7860/", "http://127.0.0.1:7860/"), ("https://host.example/forget", "https://host.example/forget/"),
        ("https://host.example/forget//", "https://host.example/forget/"), ("http://[fe80::1]:80/x/", "http://[fe80::1]:80/x/"),
    ],
)  # fmt: skip
def test_address_of_the_page_has_a_slash_at_its_end(written: str, address: str) -> None:
    assert page_address(written) == address


@pytest.mark.parametrize(
    "written",
    ["", "x", "javascript:alert(1)", "ftp://host/", "http://", "http://a:b@host/", "http://host/?job=1", "http://host/#x", "http://h:99999/",
     "http://host/" + "x" * 300, "http://ho\nst/", "data:text/html,x"],
)  # fmt: skip
def test_address_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="address of this page"):
        page_address(written)


def test_code_leads_to_the_link(opened: Room) -> None:
    import cv2

    svg = str(qr_code(opened.link))
    size = int(svg.split('viewBox="0 0 ')[1].split()[0])
    modules = np.full((size, size), 255, np.uint8)
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", svg.rpartition(' d="')[2]):
        right, *down = map(float, numbers.split())
        if command == "M":
            x, y = right, down[0]
        elif command == "m":
            x, y = x + right, y + down[0]
        else:
            modules[int(y), int(x) : int(x + right)] = 0
            x += right
    text, *_ = cv2.QRCodeDetector().detectAndDecode(np.kron(modules, np.ones((8, 8), np.uint8)))
    assert text == opened.link
