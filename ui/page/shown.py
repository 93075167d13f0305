"""What one open page was sent so far.

The events of a page run at the same time, and their answers may overtake each other or be lost. Each answer has a number, its turn, by
which the page notices this (`page.js`). The page then asks for everything again.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from typing import Any


class Shown:
    """The server's memory of one page.

    Attributes:
        lock: held by the event that is being answered.
        page: the name that the page gave itself, a secret; "" before the first event.
        memory: what the page's browser keeps, {"visitor", "job"}; None before the first event. The copy that a page sends may be older
            than an answer on its way to it.
        mark, progress: of the jobs, as in the latest answer.
        turn: of the latest answer. Turns start at the time in ms, so that they also grow after a restart of the server.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.page = ""
        self.memory: dict[str, Any] | None = None
        self.mark, self.progress = "", -1
        self.turn = time.time_ns() // 1_000_000
        self._digests: dict[int, str] = {}

    def __deepcopy__(self, memo: Any) -> Shown:
        """A blank one: Gradio copies the initial state for every page that is opened."""
        return Shown()

    def of(self, page: str) -> Shown:
        """What was sent to this page: this memory, or a blank one for a caller that knows only the name of the page's session.

        The session's name must not identify the visitor: it is part of addresses, and other parts of a browser know it.
        """
        with self.lock:
            if not self.page:
                self.page = page
            return self if page and hmac.compare_digest(self.page.encode(), page.encode()) else Shown()

    def begin(self, everything: bool) -> None:
        """Begin the next answer; `everything`: as if nothing had been sent before."""
        self.turn += 1
        if everything:
            self.mark, self.progress = "", -1
            self._digests.clear()

    def is_news(self, panel: int, value: Any) -> bool:
        """True when a panel's value must be sent with this answer; it then counts as sent."""
        digest = hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()
        if self._digests.get(panel) == digest:
            return False
        self._digests[panel] = digest
        return True
