"""recovery.json: which ways to bring a forgotten person back were tried on a run, what they found, and what was not tried.

The schema of the file, as in `runs.records`. None always means "not measured". Loads no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from unlearn.attacks.recovery.catalogue import Budget, attack_kind
from unlearn.attacks.recovery.scores import TryScore
from unlearn.runs.json_types import absent
from unlearn.runs.records import BeforeAfter

NO_TIME = "The time was over before its turn; start it alone."  # reasons that do not keep an attack from being started
ON_DEMAND = "It is part of the full set, which is tried on demand."

Row = TypeVar("Row", "AttackResult", "NotTried")


@dataclass(frozen=True)
class Try(BeforeAfter[TryScore]):
    """One try of an attack on both models; `text` says what was tried, which is no prompt where `is_prompt` is false.

    `never_met`, `found_never_met`: the same try on a model that never met the person, where there is one.
    """

    text: str
    found_original: bool | None = None
    found_defended: bool | None = None
    is_prompt: bool = True
    never_met: TryScore | None = absent()
    found_never_met: bool | None = absent()


@dataclass(frozen=True)
class Control(BeforeAfter[TryScore]):
    """The same attack on people whom the model never knew.

    Attributes:
        n_strangers: attacked.
        n_found_original, n_found_defended: of them, found; more than 5 % would show that the attack finds anybody.
    """

    n_strangers: int
    n_found_original: int
    n_found_defended: int


@dataclass(frozen=True)
class AttackRow(BeforeAfter[TryScore]):
    """One attack on one person, in short; `original` and `defended` are the scores of the best try.

    Attributes:
        attack: its name, as in `attacks.recovery.catalogue`.
        family: of the attack.
        n_tries: made on each model.
        budget_s: seconds that it was allowed to take.
        best_try: the try that came nearest on the defended model; None: no try was made.
        found_original, found_defended: whether any try found the person. None: this cannot be said.
        seconds: that it took.
        never_met: the score of the best of the same tries on a model that never met the person, where there is one.
        found_never_met: whether any of them found the person there. None: this cannot be said.
    """

    attack: str
    family: str
    n_tries: int
    budget_s: float
    best_try: str | None
    found_original: bool | None
    found_defended: bool | None
    seconds: float
    never_met: TryScore | None = absent()
    found_never_met: bool | None = absent()


@dataclass(frozen=True)
class AttackResult(AttackRow):
    """The same with the details.

    Attributes:
        person_index: number of the person in the run's config.
        is_prompt: whether `best_try` is a prompt that can be drawn, and not an embedding or a change of the weights.
        n_found_original, n_found_defended: tries that found the person.
        tries: the few tries that came nearest, the nearest first.
        control: the same attack on strangers, who must not be found; None: there is none.
        is_complete: False where the time ran out before all tries were made.
        note: a sentence on what the figures mean, "" where there is nothing to add.
    """

    person_index: int = 0
    is_prompt: bool = True
    n_found_original: int = 0
    n_found_defended: int = 0
    tries: tuple[Try, ...] = ()
    control: Control | None = None
    is_complete: bool = True
    note: str = ""


@dataclass(frozen=True)
class OwnTry(Try):
    """What a visitor typed, in the name's place."""

    person_index: int = 0


@dataclass(frozen=True)
class NotTried:
    """An attack that was not made, and why: one sentence."""

    attack: str
    why: str
    person_index: int = 0


@dataclass(frozen=True)
class Success:
    """When a person counts as found, and how often that is wrong.

    Attributes:
        min_templates: templates of the 21 in which the try has to win the person's photos among the candidates. An attack whose tries
            are sentences has to win in most of them.
        n_strangers: people never seen on whom the definition was tried; each attack on each of them is a case.
        n_cases, n_wrong: cases, and those of them that wrongly counted as found, on both models together.
    """

    min_templates: int
    n_strangers: int = 0
    n_cases: int = 0
    n_wrong: int = 0

    @property
    def false_positive_rate(self) -> float | None:
        """None without strangers."""
        return self.n_wrong / self.n_cases if self.n_cases else None


@dataclass(frozen=True)
class Recovery:
    """recovery.json."""

    budget: Budget | None = None
    success: Success | None = None
    attacks: tuple[AttackResult, ...] = ()
    not_tried: tuple[NotTried, ...] = ()
    own: tuple[OwnTry, ...] = ()

    @property
    def by_danger(self) -> tuple[AttackResult, ...]:
        """What finds the person now first, then what comes nearest."""
        return tuple(sorted(self.attacks, key=danger, reverse=True))


def by_attack(rows: Iterable[Row]) -> dict[tuple[str, int], Row]:
    """The rows by attack and person; a later one takes the place of an earlier one."""
    return {(row.attack, row.person_index): row for row in rows}


def danger(result: AttackResult | Try) -> tuple[bool, int, float]:
    """Orders attacks and tries: whether the person is found now, by how many templates, and how near the best try comes."""
    return (bool(result.found_defended), *result.defended.nearness)


def n_found(attacks: Iterable[AttackResult]) -> tuple[int, int, int]:
    """(Attacks of which can be said whether they found the person, those that did before, those that do now)."""
    decided = [result for result in attacks if result.found_defended is not None]
    return len(decided), sum(bool(result.found_original) for result in decided), sum(bool(result.found_defended) for result in decided)


def summary(attacks: Sequence[AttackResult]) -> str:
    """How many ways found the person before, and which find the person now."""
    n_decided, n_before, n_now = n_found(attacks)
    if not n_decided:
        return "No attack was made that could find the person."
    ways = ", ".join(attack_kind(result.attack).title.lower().rstrip("?") for result in attacks if result.found_defended)
    now = f"{n_now} {'finds' if n_now == 1 else 'find'} the person now: {ways}" if n_now else "none finds the person now"
    return f"{n_before} of {n_decided} ways found the person before, {now}."
