"""Answers to questions that pages and lanes ask over and over, kept in memory until a job comes, goes or changes its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

MAX_ANSWERS = 20_000

T = TypeVar("T")


class Answers:
    """The answers since the last change; threads may ask and forget at the same time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Any] = {}

    def forget(self) -> None:
        """Ask everything anew; an answer that was worked out before the change goes into the dictionary of before."""
        self._kept = {}

    def once(self, question: tuple[str, ...], ask: Callable[[], T]) -> T:
        """The answer to a question that progress does not change; `ask` is called once between other changes."""
        kept = self._kept
        if question in kept:
            known: T = kept[question]
            return known
        answer = ask()
        if len(kept) < MAX_ANSWERS:
            kept[question] = answer
        return answer
