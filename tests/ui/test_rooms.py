"""Rooms of a server: who opens and closes them, what phones may ask, how a line is tried, and what is left afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from ui.page import rooms as routes
from ui.page.gate import HANDLERS, Gate
from ui.page.media import Headers
from ui.page.screen import View
from ui.page.tabs import room as tab
from ui.server.flood import Flood
from ui.server.opponent import recovery_of
from ui.server.options import Options
from ui.server.room import Room, RoomWish
from ui.server.rooms import OWNER, Rooms, TryLane
from ui.server.service import QUICK_LANE, Service
from unlearn.config import ForgetConfig, Person, PortraitConfig, Settings
from unlearn.errors import InputError
from unlearn.jobs import Submission, Succeeded

ADDRESS = "http://192.0.2.7:7860/"
CONFIG = ForgetConfig((Person("Tilda Brackwater"),), portraits=PortraitConfig(seeds=(0, 1)))
PHONE = {"phone": "a" * 22}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server with the test backend."""
    service = Service(Settings(data_dir=tmp_path_factory.mktemp("stage")), Options(backend="tests.support.ui_fixture", max_rooms=1))
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def key(stage: Service) -> str:
    """A finished job of Ann's."""
    return forgotten(stage)


def forgotten(service: Service) -> str:
    job = service.forget(CONFIG, "ann")
    assert isinstance(service.jobs.wait(job.id, 120.0).state, Succeeded)
    return job.id


@pytest.fixture
def opened(stage: Service, key: str) -> Iterator[Room]:
    tab._open(View(stage, key, "ann"), f"0 {ADDRESS}")
    found = stage.rooms.of(key)
    assert found is not None
    yield found
    stage.rooms.close(key)


@pytest.fixture
def web(stage: Service) -> TestClient:
    app = Starlette(routes=routes.routes(stage, lambda route: route), middleware=[Middleware(Headers), Middleware(Gate)],
                    exception_handlers=HANDLERS)  # fmt: skip
    return TestClient(app)


def soon(reached: Callable[[], Any], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_only_who_started_the_job_opens_and_closes_its_room(stage: Service, key: str) -> None:
    with pytest.raises(InputError, match="somebody else"):
        tab._open(View(stage, key, "bob"), f"0 {ADDRESS}")
    with pytest.raises(InputError, match="somebody else"):
        tab._open(View(stage, "prepared", "bob"), f"0 {ADDRESS}")
    assert stage.rooms.of(key) is None and "data-action" not in tab.show(View(stage, key, "bob"))
    assert 'data-action="room-open"' in tab.show(View(stage, key, "ann"))


def test_room_is_shown_until_it_is_closed(stage: Service, key: str, opened: Room) -> None:
    assert opened.link in tab.show(View(stage, key, "ann")) and opened.keys.code not in tab.show(View(stage, key, "bob"))
    with pytest.raises(InputError, match="open already"):
        tab._open(View(stage, key, "ann"), f"0 {ADDRESS}")
    stage.rooms.close(key)
    assert 'data-action="room-open"' in tab.show(View(stage, key, "ann"))


def test_server_takes_so_many_rooms_and_none_where_they_are_off(stage: Service, key: str, opened: Room) -> None:
    run = stage.run(key)
    assert run is not None
    with pytest.raises(InputError, match="1 rooms are open"):
        stage.rooms.open(run, 0, RoomWish("another job", "ann", ADDRESS))
    off = Rooms(stage.jobs, TryLane(QUICK_LANE, "tests.support.ui_fixture"), 0)
    with pytest.raises(InputError, match="switched off"):
        off.open(run, 0, RoomWish(key, "ann", ADDRESS))


def test_phone_votes_once_a_portrait_and_the_answers_tell_no_model(opened: Room, web: TestClient) -> None:
    base = f"/room/{opened.keys.code}"
    page = web.get(base)
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store" and "set-cookie" not in page.headers
    assert "script-src 'sha256-" in page.headers["content-security-policy"] and page.headers["referrer-policy"] == "no-referrer"
    ballot = web.post(f"{base}/ballot", json=PHONE).json()
    assert ballot["total"] == 4 == len(ballot["pictures"])
    shown = web.get(f"{base}/{ballot['pictures'][0]}.webp")
    assert shown.headers["content-type"] == "image/webp" and shown.headers["cache-control"] == "no-store"
    assert not {"etag", "last-modified", "content-disposition"} & set(shown.headers)
    assert web.get(f"{base}/reference.webp").content == opened.exhibit.reference
    for picture in (*ballot["pictures"], ballot["pictures"][0]):
        counted = web.post(f"{base}/vote", json={**PHONE, "picture": picture, "yes": True})
        assert counted.status_code == 200 and set(counted.json()) == {"counted"}
    assert counted.json() == {"counted": False} and web.post(f"{base}/ballot", json=PHONE).json()["pictures"] == []
    tally = opened.tally()
    assert (tally.original.n_yes, tally.defended.n_yes, tally.n_phones) == (2, 2, 1)
    assert "2 of 2 answers are yes" in web.get(f"/room-board/{opened.keys.board}").text


def test_line_is_tried_as_nobodys_question_and_leaves_nothing(stage: Service, key: str, opened: Room, web: TestClient) -> None:
    base = f"/room/{opened.keys.code}"
    sent = [web.post(f"{base}/line", json={**PHONE, "text": text}).json() for text in ("Captain Storm", "Tilly")]
    asked = {**PHONE, "lines": [one["line"] for one in sent]}
    soon(lambda: set(web.post(f"{base}/lines", json=asked).json()["outcomes"].values()) == {"found", "not found"})
    board = web.get(f"/room-board/{opened.keys.board}").text
    assert "<strong>1</strong> of 2 lines found Tilda Brackwater" in board and board.index("Captain Storm") < board.index("Tilly")
    soon(lambda: stage.jobs.store.find(owner=OWNER) == [])
    run, folder = stage.run(key), stage.run_folder(key)
    assert run is not None and folder is not None and not (folder / "recovery.json").exists()
    assert recovery_of(run, stage.questions(key, "ann")).own == ()


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("vote", b"", 400), ("vote", b"[]", 400), ("vote", b"{", 400), ("vote", b'{"phone": 1, "picture": "x", "yes": true}', 400),
        ("vote", b'{"phone": "aaaaaaaaaaaaaaaaaaaaaa", "picture": "x", "yes": 1}', 400), ("ballot", b'{"phone": "x"}', 400),
        ("vote", b'{"phone": "aaaaaaaaaaaaaaaaaaaaaa", "picture": "x", "yes": true}', 400), ("line", b"x" * 5000, 413),
        ("line", b'{"phone": "aaaaaaaaaaaaaaaaaaaaaa", "text": ""}', 400), ("lines", b'{"phone": "a", "lines": [1]}', 400),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_sentence(opened: Room, web: TestClient, what: str, body: bytes, status: int) -> None:
    refused = web.post(f"/room/{opened.keys.code}/{what}", content=body)
    assert refused.status_code == status and refused.json()["error"].endswith(".")
    assert opened.tally().n_phones == 0 and opened.lines.board().n_waiting == 0


def test_flood_from_one_address_is_held_back(opened: Room, web: TestClient) -> None:
    opened._flood = Flood(2, 0.0)
    base = f"/room/{opened.keys.code}"
    answers = [web.post(f"{base}/ballot", json=PHONE).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert web.get(f"{base}/reference.webp").status_code == 429 and web.get(base).status_code == 200


def test_closed_room_is_gone_at_every_address(stage: Service, key: str, opened: Room, web: TestClient) -> None:
    base, picture = f"/room/{opened.keys.code}", opened.exhibit.pictures[0].id
    opened.send("a" * 22, "a line that is lost")
    stage.rooms.close(key)
    page = web.get(base)
    assert page.status_code == 404 and "This room is closed" in page.text and "Tilda" not in page.text
    for path in (f"{base}/reference.webp", f"{base}/{picture}.webp", f"/room-board/{opened.keys.board}"):
        assert web.get(path).status_code == 404
    for what in ("ballot", "vote", "line", "lines"):
        assert web.post(f"{base}/{what}", json=PHONE).status_code == 404
    soon(lambda: stage.jobs.store.find(owner=OWNER) == [])


def test_room_ends_with_its_job_and_a_killed_servers_lines_with_the_next_start(stage: Service) -> None:
    key = forgotten(stage)
    tab._open(View(stage, key, "ann"), f"0 {ADDRESS}")
    stage.jobs.delete(key)
    soon(lambda: stage.rooms.of(key) is None)
    request = {"kind": "own_try", "run": "gone", "texts": ["left behind"], "person": 0, "keep": False}
    left = stage.jobs.submit(Submission(QUICK_LANE, "tests.support.ui_fixture:own_try", request, OWNER))
    stage.jobs.wait(left.id, 60.0)
    again = Rooms(stage.jobs, TryLane(QUICK_LANE, "tests.support.ui_fixture"), 1)
    again.start()
    soon(lambda: stage.jobs.store.find(owner=OWNER) == [])
    again.stop()
