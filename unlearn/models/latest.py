"""The latest few values that are costly to make, kept by key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The values of the latest few keys, each computed once; one thread computes at a time."""

    def __init__(self, n_kept: int) -> None:
        self._n_kept = n_kept
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The kept value, or the one computed now; room is made before, so that no more than `n_kept` are in memory."""
        with self._lock:
            if key not in self._values:
                while len(self._values) >= self._n_kept:
                    self._values.popitem(last=False)
                self._values[key] = compute()
            self._values.move_to_end(key)
            return self._values[key]

    def kept(self) -> list[T]:
        """What is kept, the latest last."""
        with self._lock:
            return list(self._values.values())

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()
