"""The break-it board of a room: lines that phones send, tried one after the other in the name's place, and what they found.

In memory only. Who sent a line is not kept with it; a phone knows its lines by their ids.
"""

from __future__ import annotations

import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ui.server.flood import Flood
from unlearn.config import name_key
from unlearn.errors import InputError
from unlearn.runs.recovery_records import OwnTry, danger

MAX_LENGTH = 80  # characters of a line
MAX_WAITING = 40  # lines of a room
MAX_LINES = 500
AT_ONCE, PER_S = 3, 1 / 15  # lines of one phone
MAX_BEST = 5

Outcome = Literal["waiting", "found", "not found", "not tried"]


@dataclass
class Line:
    """One line; `tried` once it was. It is not tried where it does not fit into a prompt."""

    text: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    outcome: Outcome = "waiting"
    tried: OwnTry | None = None


@dataclass(frozen=True)
class Board:
    """Counts of lines, and those that found the person or came nearest, the most dangerous first."""

    n_tried: int
    n_found: int
    n_waiting: int
    best: Sequence[OwnTry]


class Lines:
    """The lines of one room."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}  # by what all ways to write a line share
        self._waiting: list[Line] = []
        self._flood = Flood(AT_ONCE, PER_S, clock)

    def add(self, text: str, phone: bytes) -> Line:
        """Queue a line; one that somebody sent before is that one.

        Raises:
            InputError: it cannot be a line, or there are too many of this phone or of all.
        """
        written = plain_line(text)
        if not self._flood.lets(phone):
            raise InputError("That was quick. Wait a few seconds before your next line.")
        with self._lock:
            key = name_key(written)
            if (known := self._lines.get(key)) is not None:
                return known
            if len(self._lines) >= MAX_LINES:
                raise InputError(f"This room has tried {MAX_LINES} lines, which is all that it takes.")
            if len(self._waiting) >= MAX_WAITING:
                raise InputError(f"{MAX_WAITING} lines are waiting already. Send yours in a minute.")
            line = self._lines[key] = Line(written)
            self._waiting.append(line)
        return line

    def outcomes(self, ids: Sequence[str]) -> dict[str, Outcome]:
        """What became of lines, by their ids; unknown ids are left out."""
        wanted = set(ids)
        with self._lock:
            return {line.id: line.outcome for line in self._lines.values() if line.id in wanted}

    def next(self) -> Line | None:
        """The line to try now, taken off the queue."""
        with self._lock:
            return self._waiting.pop(0) if self._waiting else None

    def put_back(self, line: Line) -> None:
        """Let a line wait on: the server took no work."""
        with self._lock:
            self._waiting.insert(0, line)

    def answer(self, line: Line, tried: OwnTry | None) -> None:
        """What a line found; None: it could not be tried."""
        with self._lock:
            line.tried = tried
            is_found = None if tried is None else tried.found_defended
            line.outcome = "not tried" if is_found is None else "found" if is_found else "not found"

    def board(self) -> Board:
        """How it stands."""
        with self._lock:
            tried = [line.tried for line in self._lines.values() if line.tried is not None and line.outcome in ("found", "not found")]
            n_waiting = sum(line.outcome == "waiting" for line in self._lines.values())
        best = sorted(tried, key=danger, reverse=True)[:MAX_BEST]
        return Board(len(tried), sum(bool(one.found_defended) for one in tried), n_waiting, best)


def plain_line(text: str) -> str:
    """A line as it is tried: white space is one space.

    Raises:
        InputError: empty, too long, or with control characters.
    """
    written = " ".join(text.split())
    if not written or len(written) > MAX_LENGTH:
        raise InputError(f"Write one line of 1 to {MAX_LENGTH} characters.")
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in written):
        raise InputError("The line contains control characters; write plain text.")
    return written
