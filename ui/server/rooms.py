"""The open rooms of a server, and the one thread that tries their lines.

Rooms are in memory: a server that stops or is killed leaves none. What is on disk for a moment is the line that is being tried, as a job
of the owner `OWNER`, which belongs to no visitor. It is deleted once it has ended, and at the next start where the server was killed.
All rooms together take turns in the queue as one visitor does.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ui.server.exhibit import exhibit_of
from ui.server.lines import Line
from ui.server.room import Room, RoomWish, Work
from unlearn.errors import InputError, UnlearnError
from unlearn.jobs import Job, Jobs, Queued, Submission, Succeeded
from unlearn.runs.json_types import from_json
from unlearn.runs.recovery_records import OwnTry
from unlearn.runs.results import Run

OWNER = "room"  # no visitor's name has this form, see `ui.server.identity`
TRY = "own_try"  # the kind of the question, as in `ui.server.opponent`
KEPT_S = 60.0  # a job of a line, should nobody delete it before
MAX_AGE_S = 12 * 3600.0
TICK_S = 0.25  # between two looks at the lines that are tried
STOP_WITHIN_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TryLane:
    """Where lines are tried: name of the queue, and the module with the functions of `ui.worker.tasks`."""

    queue: str
    backend: str


class Rooms:
    """Opens, finds and closes rooms; at most one for each job."""

    def __init__(self, jobs: Jobs, lane: TryLane, max_rooms: int) -> None:
        self._jobs, self._lane, self.max_rooms = jobs, lane, max_rooms
        self._lock = threading.RLock()
        self._rooms: dict[str, Room] = {}  # by the key of their run
        self._left: list[str] = []  # jobs of lines of closed rooms, still at work
        self._busy, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="rooms", daemon=True)

    def start(self) -> None:
        """Delete the lines that a killed server left."""
        self._left = [job.id for job in self._jobs.store.find(owner=OWNER)]
        if self._left:
            self._busy.set()
        self._thread.start()

    def stop(self) -> None:
        """Close all rooms."""
        self._stopped.set()
        self._busy.set()
        if self._thread.is_alive():
            self._thread.join(STOP_WITHIN_S)
        with self._lock:
            for key in list(self._rooms):
                self.close(key)
            for job_id in self._left:
                self._delete(job_id)

    def open(self, run: Run, person_index: int, wish: RoomWish) -> Room:
        """Open a room for a run.

        Raises:
            InputError: rooms are switched off, too many are open, this run's is, or there is nothing to vote on.
        """
        if not self.max_rooms:
            raise InputError("Rooms are switched off on this server (--max-rooms 0).")
        room = Room(wish, exhibit_of(run, person_index))
        with self._lock:
            if wish.key in self._rooms:
                raise InputError("The room of this job is open already.")
            if len(self._rooms) >= self.max_rooms:
                raise InputError(f"{len(self._rooms)} rooms are open already, as many as this server takes; try again later.")
            self._rooms[wish.key] = room
        self._busy.set()
        return room

    def close(self, key: str) -> None:
        """Forget the room of a run with its votes and lines; nothing happens where there is none."""
        with self._lock:
            room = self._rooms.pop(key, None)
            if room is not None and room.work is not None:
                self._left.append(room.work.job)

    def of(self, key: str) -> Room | None:
        """The open room of a run."""
        return self._rooms.get(key)

    def at(self, code: str) -> Room | None:
        """The open room that phones know by this code."""
        return next((room for room in self._all() if room.keys.code == code), None)

    def seen_by(self, board: str) -> Room | None:
        """The open room whose presenter has this token."""
        return next((room for room in self._all() if room.keys.board == board), None)

    def _all(self) -> list[Room]:
        with self._lock:
            return list(self._rooms.values())

    def _run(self) -> None:
        while not self._stopped.wait(TICK_S):
            self._busy.wait()
            try:
                if not self._stopped.is_set():
                    self._turn()
            except UnlearnError as error:  # the list of jobs cannot be used for the moment
                log.error("rooms: %s", error)

    def _turn(self) -> None:
        """Close what is over, delete what has ended, and go on with each room's lines."""
        for room in self._all():
            if monotonic() - room.opened > MAX_AGE_S or self._job(room.wish.key) is None:
                self.close(room.wish.key)
        for room in self._all():
            self._go_on(room)
        for job_id in list(self._left):
            job = self._job(job_id)
            if job is None or job.ended or isinstance(job.state, Queued):  # one at work ends soon; a new worker would take longer
                self._delete(job_id)
                self._left.remove(job_id)
        with self._lock:
            if not self._rooms and not self._left and not self._stopped.is_set():
                self._busy.clear()

    def _go_on(self, room: Room) -> None:
        if room.work is not None:
            job = self._job(room.work.job)
            if job is not None and not job.ended:
                return
            room.lines.answer(room.work.line, _answer(job))
            room.work = None
            if job is not None:
                self._delete(job.id)
        if (line := room.lines.next()) is not None:
            self._try(room, line)

    def _try(self, room: Room, line: Line) -> None:
        request: dict[str, Any] = {
            "kind": TRY, "run": room.wish.key, "texts": [line.text], "person": room.exhibit.person_index, "keep": False,
        }  # fmt: skip
        submission = Submission(self._lane.queue, f"{self._lane.backend}:{TRY}", request, OWNER, keep_s=KEPT_S)
        try:
            job = self._jobs.submit(submission)
        except InputError:  # the server has as many jobs waiting as it takes on
            room.lines.put_back(line)
            return
        with self._lock:
            room.work = Work(line, job.id)
            if self._rooms.get(room.wish.key) is not room:  # closed meanwhile
                self._left.append(job.id)

    def _job(self, job_id: str) -> Job | None:
        try:
            return self._jobs.get(job_id)
        except InputError:
            return None

    def _delete(self, job_id: str) -> None:
        try:
            self._jobs.delete(job_id)
        except InputError:  # its time was over
            return
        except UnlearnError as error:  # said by the list of jobs, which goes on trying
            log.error("rooms: %s", error)


def _answer(job: Job | None) -> OwnTry | None:
    """What a line's job found; None where it failed or is gone."""
    if job is None or not isinstance(job.state, Succeeded):
        return None
    (tried,) = from_json(tuple[OwnTry, ...], job.state.result["own"])
    return tried
