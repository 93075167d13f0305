"""The table of jobs: whose turn it is, what a page that looks on is told, and how seldom the file is asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from unlearn.errors import UnlearnError
from unlearn.jobs import Job, Submission, Succeeded
from unlearn.jobs.states import fair_order
from unlearn.jobs.store import JobStore
from unlearn.jobs.tables import new_row
from unlearn.progress import Progress


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "jobs.sqlite")
    yield made
    made.close()


def add(store: JobStore, owner: str = "ann", lane: str = "long") -> Job:
    return store.add(new_row(Submission(lane, "x:y", {}, owner), False), 5)


# ---- order -------------------------------------------------------------------------------------------------------


def test_fair_order_two_owners_take_turns() -> None:
    queued = [("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b1", "bob")]
    assert fair_order(queued, {}) == ["a1", "b1", "a2", "a3"]


def test_fair_order_owner_served_last_waits() -> None:
    assert fair_order([("a1", "ann"), ("b1", "bob")], {"ann": 5.0, "bob": 1.0}) == ["b1", "a1"]


def test_fair_order_one_owner_first_come_first_served() -> None:
    assert fair_order([("1", "ann"), ("2", "ann")], {"ann": 9.0}) == ["1", "2"]


# ---- what is told ------------------------------------------------------------------------------------------------


def test_ids_are_unguessable_and_different() -> None:
    ids = {new_row(Submission("long", "x:y", {}, "ann"), False).id for _ in range(100)}
    assert len(ids) == 100 and min(map(len, ids)) >= 22  # 128 bits as base64


def test_watch_changes_with_progress_and_tells_active(store: JobStore) -> None:
    nothing = store.watch("ann", "")
    job = store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    waiting = store.watch("ann", "")
    assert nothing == store.watch("bob", "") != waiting == store.watch("ann", "")
    assert waiting.active and not nothing.active and store.watch("bob", job.id).active
    store.claim("long")
    started = store.watch("ann", "")
    store.progress(job.id, Progress(1, 2, "half"))
    going_on = store.watch("ann", "")
    assert waiting.structure != started.structure == going_on.structure and going_on.progress > started.progress
    store.finish(job.id, Succeeded({}))
    assert not store.watch("ann", "").active and store.watch("ann", "").structure != going_on.structure


def test_watch_tells_whose_turn_it_is(store: JobStore) -> None:
    first, second = add(store), add(store, "bob")
    assert store.watch("ann", "").own_turn and not store.watch("bob", second.id).own_turn
    store.claim("long")
    assert store.watch("ann", first.id).own_turn and store.watch("bob", "").own_turn, "running, and next"
    assert not store.watch("eve", first.id).own_turn and not store.watch("eve", first.id).is_owner
    assert store.watch("ann", first.id).is_owner and not store.watch("ann", second.id).is_owner
    store.finish(first.id, Succeeded({}))
    assert not store.watch("ann", first.id).own_turn


def test_pages_and_lanes_that_ask_again_do_not_reach_the_file(store: JobStore) -> None:
    job = add(store)
    store.claim("long")
    asked: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    def ask() -> None:
        for owner in ("ann", *map(str, range(20))):
            store.watch(owner, job.id)
        assert not store.cancel_requested(job.id) and store.claim("long") is None

    ask()
    store.progress(job.id, Progress(1, 2))
    asked.clear()
    ask()
    assert asked == []
    assert store.watch("7", job.id).progress == store.get(job.id).version, "progress is seen all the same"


def test_every_other_change_is_seen_at_once(store: JobStore) -> None:
    first = add(store)
    assert not store.cancel_requested(first.id) and store.claim("quick") is None
    quick = add(store, lane="quick")
    taken = store.claim("quick")
    assert taken is not None and taken.id == quick.id
    before = store.watch("bob", first.id).structure
    store.set_parent(quick.id, first.id)
    assert store.watch("bob", first.id).structure != before
    store.request_cancel(quick.id)
    assert store.cancel_requested(quick.id) and not store.cancel_requested(first.id)
    store.remove([first.id])
    assert store.cancel_requested(first.id) and not store.watch("ann", first.id).is_owner
    assert store.interrupt_running() == [quick.id] and not store.watch("ann", "").active


def test_change_gives_up_in_time_while_others_wait_for_another_program(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite", busy_timeout_s=0.2)
    with store._database.lock, pytest.raises(UnlearnError, match="locked by another program"):  # a lane has it while it waits
        store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    assert store.find() == []
    store.close()


def test_job_has_all_losses_as_soon_as_it_has_ended(store: JobStore) -> None:
    job = store.add(new_row(Submission("long", "x:y", {}, "ann"), False), 5)
    assert store.claim("long") is not None
    store.progress(job.id, Progress(1, 2), [{"encoder": "text", "step": 1, "clean": 0.5}])
    store._database._busy_timeout_s = 0.1
    with store._database.lock, pytest.raises(UnlearnError):  # the end cannot be written yet
        store.finish(job.id, Succeeded(), Progress(2, 2), [{"encoder": "text", "step": 2, "clean": 0.4}])
    for _ in ("not written", "written"):
        assert store.get(job.id).ended and [row["step"] for row in store.losses(job.id)] == [1, 2]
        store.write_endings()
