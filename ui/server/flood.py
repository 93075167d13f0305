"""Holds back who asks too often: each key has so many requests at once, and gets some back every second. Nothing is written."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MAX_KEYS = 10_000


class Flood:
    """A bucket for each key; the key asked for longest ago is forgotten first."""

    def __init__(self, at_once: int, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once, self._per_s, self._clock = float(at_once), per_s, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # what is left, and when

    def lets(self, key: Hashable) -> bool:
        """Whether one more request of this key may pass; it then counts."""
        with self._lock:
            now = self._clock()
            left, before = self._buckets.pop(key, (self._at_once, now))
            left = min(self._at_once, left + (now - before) * self._per_s)
            passes = left >= 1.0
            self._buckets[key] = (left - passes, now)
            while len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)
        return passes
