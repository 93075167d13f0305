"""One room: phones vote blind on portraits, and lines are tried. Everything is in memory and gone when the room is closed.

Of a phone only a salted digest of its random token is kept, with the numbers of the pictures that it has voted on; what it answered is
kept in the counts of the pictures alone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

from ui.server.exhibit import Exhibit, Picture
from ui.server.flood import Flood
from ui.server.lines import Line, Lines
from unlearn.errors import InputError
from unlearn.runs.records import BeforeAfter, Side

N_CODE_BYTES, N_TOKEN_BYTES, N_SALT_BYTES = 9, 16, 32
PHONE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)  # 128 random bits, made by the phone
MAX_PHONES = 1000
AT_ONCE, PER_S = 300, 30.0  # requests from one address, behind which a whole audience may sit
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """`n_yes` of `n` answers were yes."""

    n_yes: int
    n: int

    @property
    def share(self) -> float | None:
        """None where nobody answered."""
        return self.n_yes / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share; None where nobody answered."""
        if not self.n:
            return None
        from scipy.stats import binomtest

        low, high = binomtest(self.n_yes, self.n).proportion_ci(CONFIDENCE, method="wilson")
        return float(low), float(high)


@dataclass(frozen=True)
class Tally(BeforeAfter[Share]):
    """Who was taken for the person, by model; `n_phones` have voted."""

    n_phones: int


@dataclass(frozen=True)
class RoomWish:
    """Attributes:
        key, owner: of the job whose run is shown.
        address: of the page as the owner's browser knows it, with a slash at its end; phones open what lies below it.
        takes_lines: whether lines can be tried.
    """

    key: str
    owner: str
    address: str
    takes_lines: bool = True


@dataclass
class _Votes:
    """Counts of one picture."""

    n_yes: int = 0
    n: int = 0


@dataclass
class Work:
    """The line that is being tried, and the id of its job."""

    line: Line
    job: str


@dataclass(frozen=True)
class Keys:
    """`code` is in the link for phones, `board` in the presenter's page; the salt leaves the server never."""

    code: str = field(default_factory=lambda: secrets.token_urlsafe(N_CODE_BYTES))
    board: str = field(default_factory=lambda: secrets.token_urlsafe(N_TOKEN_BYTES))
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(N_SALT_BYTES))


class Room:
    """Votes and lines about one person of one run."""

    def __init__(self, wish: RoomWish, exhibit: Exhibit) -> None:
        self.wish, self.exhibit, self.keys = wish, exhibit, Keys()
        self.opened = time.monotonic()
        self.lines = Lines()
        self.work: Work | None = None
        self._lock = threading.Lock()
        self._pictures = {picture.id: picture for picture in exhibit.pictures}
        self._votes = {picture.id: _Votes() for picture in exhibit.pictures}
        self._phones: dict[bytes, set[str]] = {}
        self._flood = Flood(AT_ONCE, PER_S)

    @property
    def link(self) -> str:
        """What phones open."""
        return f"{self.wish.address}room/{self.keys.code}"

    def lets(self, address: str) -> bool:
        """Whether one more request from this address may pass; only a salted digest of it is kept."""
        return self._flood.lets(self._digest("address", address))

    def picture(self, picture_id: str) -> Picture | None:
        """A picture to vote on."""
        return self._pictures.get(picture_id)

    def ballot(self, phone: str) -> list[str]:
        """Ids of the pictures that a phone has not voted on, in an order of its own; asking again does not change it.

        Raises:
            InputError: the phone's token is none.
        """
        digest = self._phone(phone)
        with self._lock:
            voted = self._phones.get(digest, set())
        return [picture for picture in sorted(self._pictures, key=lambda one: self._digest("order", phone + one)) if picture not in voted]

    def vote(self, phone: str, picture_id: str, is_yes: bool) -> bool:
        """Count an answer; False: this phone has answered for this picture before, and the earlier answer stays.

        Raises:
            InputError: no such picture, no token of a phone, or too many phones.
        """
        digest = self._phone(phone)
        if picture_id not in self._pictures:
            raise InputError("There is no such picture; reload the page.")
        with self._lock:
            if digest not in self._phones and len(self._phones) >= MAX_PHONES:
                raise InputError(f"This room counts {MAX_PHONES} phones, which is all that it takes.")
            voted = self._phones.setdefault(digest, set())
            if picture_id in voted:
                return False
            voted.add(picture_id)
            votes = self._votes[picture_id]
            votes.n += 1
            votes.n_yes += is_yes
        return True

    def send(self, phone: str, text: str) -> Line:
        """Queue a line.

        Raises:
            InputError: it cannot be tried, or there are too many.
        """
        digest = self._phone(phone)
        if not self.wish.takes_lines:
            raise InputError("This room takes votes only.")
        return self.lines.add(text, digest)

    def tally(self) -> Tally:
        """How it stands."""
        with self._lock:
            return Tally(self._share("original"), self._share("defended"), len(self._phones))

    def _share(self, model: Side) -> Share:
        votes = [self._votes[picture.id] for picture in self.exhibit.pictures if picture.model == model]
        return Share(sum(one.n_yes for one in votes), sum(one.n for one in votes))

    def _phone(self, token: str) -> bytes:
        if not PHONE.fullmatch(token):
            raise InputError("This phone sent no token; reload the page.")
        return self._digest("phone", token)

    def _digest(self, what: Literal["phone", "order", "address"], text: str) -> bytes:
        return hmac.new(self.keys.salt, f"{what}\0{text}".encode(), hashlib.sha256).digest()
