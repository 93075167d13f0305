"""What one open page was sent so far.

The events of a page run at the same time, and their answers may overtake each other or be lost. Each answer has a number, its turn, so
that the page can tell (`page.js`); it then asks for everything once more.
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
        page: what the page calls itself, a secret of its own; "" before the first event.
        memory: what the page's browser keeps, {"visitor", "job"}; None before the first event. What a page sends of it may be older
            than an answer that is on its way.
        mark, progress: of the jobs, as the latest answer told them.
        turn: of the latest answer. They start at the time of day, in ms, so that they grow when the server was started anew, too.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.page = ""
        self.memory: dict[str, Any] | None = None
        self.mark, self.progress = "", -1
        self.turn = time.time_ns() // 1_000_000
        self._digests: dict[int, str] = {}

    def __deepcopy__(self, memo: Any) -> Shown:
        """A blank one: Gradio copies what it is given for every page that is opened."""
        return Shown()

    def of(self, page: str) -> Shown:
        """What was sent to this page: this memory, or a blank one for whoever merely knows the name of the page's session.

        Who the visitor is must not follow from that name: it stands in addresses, and other parts of a browser know it.
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
        """True when a panel's value must be sent with this answer; it is then taken for sent."""
        digest = hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()
        if self._digests.get(panel) == digest:
            return False
        self._digests[panel] = digest
        return True
