"""What there is twice in a run: once of the original model and once of the defended one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Pair(NamedTuple, Generic[T]):
    """The same thing of the original and of the defended model: two CLIPs, encoders, galleries, tables of embeddings."""

    original: T
    defended: T

    def map(self, function: Callable[[T], U]) -> Pair[U]:
        """The function's results for both."""
        return Pair(function(self.original), function(self.defended))
