"""What an attack is given: both models' view of the person, and what an attacker may know; and what it gives back: tries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unlearn.attacks.figures import Trace
from unlearn.attacks.recovery.catalogue import Budget
from unlearn.attacks.recovery.scores import TryScore
from unlearn.attacks.recovery.sight import Sight
from unlearn.models.clip import Clip
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report, no_report


class OutOfTime(Exception):
    """The seconds that an attack may take are over; what it has tried until then counts."""


@dataclass
class Clock:
    """Tells the attacks when to stop.

    Attributes:
        report: told about the progress; raises JobCancelled when the user asked to stop.
        total_s: that all attacks together may take.
        n_attacks: that will be made.
    """

    report: Report = no_report
    total_s: float = float("inf")
    n_attacks: int = 1
    _n_done: int = 0
    _note: str = ""
    _ends: float = float("inf")
    _began: float = field(default_factory=time.perf_counter)

    @property
    def is_over(self) -> bool:
        """Whether no further attack should begin."""
        return time.perf_counter() - self._began > self.total_s

    def start(self, limit_s: float, note: str) -> None:
        """An attack on one person begins, which may take so many seconds."""
        now = time.perf_counter()
        self._note, self._ends = note, min(now + limit_s, self._began + self.total_s)
        self.report(Progress(self._n_done, self.n_attacks, note))

    def finish(self) -> None:
        """An attack is done."""
        self._n_done, self._ends = self._n_done + 1, float("inf")

    def put_back(self, seconds: float) -> None:
        """So many seconds went into something that is no attack, and do not count."""
        self._began += seconds

    def tick(self) -> None:
        """To be called at least every second.

        Raises:
            OutOfTime: the attack has to end.
            JobCancelled: everything has to end.
        """
        self.report(Progress(self._n_done, self.n_attacks, self._note))
        if time.perf_counter() > self._ends:
            raise OutOfTime


@dataclass(frozen=True)
class Subject:
    """Who is attacked.

    Attributes:
        name: that was forgotten.
        sights: of both models.
        aliases: other names of the person.
        descriptions: true ones of the looks.
        third: the sight of a model that was trained without the person; None: there is none.
    """

    name: str
    sights: Pair[Sight]
    aliases: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    third: Sight | None = None


def _nobody() -> Pair[Mapping[str, Tensor]]:
    return Pair({}, {})


@dataclass(frozen=True)
class Context:
    """All that attacks work with.

    Attributes:
        models: the CLIPs.
        subject: who is attacked.
        strangers: whom the model never knew, with photos: the controls.
        everybody: name -> photos (images, d) of unit length of the world's people, by each model.
        captions: without the person.
        learning_rate: of the defence.
        trace: what the run found about "who was forgotten?"; None: not measured.
        budget: how much is tried.
        seed: of what is drawn at random.
        clock: of the attacks.
        shared: what attacks on several persons with equal models and seed compute once, by the name of the attack.
    """

    models: Pair[Clip]
    subject: Subject
    strangers: tuple[Subject, ...] = ()
    everybody: Pair[Mapping[str, Tensor]] = field(default_factory=_nobody)
    captions: tuple[str, ...] = ()
    learning_rate: float = 1e-4
    trace: Trace | None = None
    budget: Budget = "quick"
    seed: int = 0
    clock: Clock = field(default_factory=Clock)
    shared: dict[str, Any] = field(default_factory=dict)

    @property
    def is_quick(self) -> bool:
        """Whether only the quick set's tries are made."""
        return self.budget == "quick"

    def generator(self) -> torch.Generator:
        """Random numbers that are the same for equal seeds."""
        return torch.Generator().manual_seed(self.seed)


@dataclass(frozen=True)
class Tried:
    """One try on both models; `text` says what was tried, which is no prompt where `is_prompt` is false."""

    text: str
    scores: Pair[TryScore]
    is_prompt: bool = True


Attack = Callable[[Context], Iterator[Tried]]  # ticks the clock; nothing is yielded where there is nothing to try


N_AT_ONCE = 48


def tried_texts(context: Context, texts: Sequence[str]) -> Iterator[Tried]:
    """Texts in the name's place, as long as the time lasts."""
    for start in range(0, len(texts), N_AT_ONCE):
        yield from scored_texts(context.subject.sights, texts[start : start + N_AT_ONCE], lambda _: context.clock.tick())


def scored_texts(sights: Pair[Sight], texts: Sequence[str], report: Report = no_report) -> list[Tried]:
    """A few texts in the name's place; without a report however late it is."""
    if not texts:
        return []
    before, after = (sight.try_texts(texts, report) for sight in sights)
    return [Tried(text, Pair(*scores)) for text, *scores in zip(texts, before, after, strict=True)]
