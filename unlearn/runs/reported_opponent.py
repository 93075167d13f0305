"""What the report tells of the opponent: the ways back to a person that were tried, with budget and outcome, and those that were not."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.attacks.recovery.catalogue import attack_kind
from unlearn.runs.heard_records import Heard
from unlearn.runs.recovery_records import AttackResult, OwnTry, Recovery
from unlearn.runs.recovery_sentences import (
    Untried,
    control_words,
    heard_sentence,
    of_person,
    own_of,
    recovery_sentence,
    result_words,
    score_words,
    success_sentence,
    untried,
    verdict_word,
    visible,
)


@dataclass(frozen=True)
class ReportedAttack:
    """A row of the table; `original`, `defended` and `never_met` say whether the person was found, and by how much."""

    title: str
    budget: str
    best_try: str
    original: str
    defended: str
    control: str
    is_found: bool
    never_met: str | None = None


@dataclass(frozen=True)
class ReportedOpponent:
    """The opponent of one person; without `rows` nothing was tried."""

    sentence: str
    rows: list[ReportedAttack]
    success: str
    untried: list[Untried]

    @property
    def is_three(self) -> bool:
        """Whether a model that never met the person was tried, too."""
        return any(row.never_met is not None for row in self.rows)


def reported_opponent(recovery: Recovery, name: str, person_index: int) -> ReportedOpponent:
    """What was tried on a person, the most dangerous first, own tries last."""
    results, own = of_person(recovery, person_index), own_of(recovery, person_index)
    rows = [*map(_attack, results), *map(_own, own)]
    return ReportedOpponent(
        recovery_sentence(name, results, own), rows, success_sentence(recovery.success), untried(recovery, person_index)
    )


def _attack(result: AttackResult) -> ReportedAttack:
    counted = f"{result.n_tries} {'try' if result.n_tries == 1 else 'tries'}"
    tries = f"{counted}; {result.budget_s:g} s, with controls {result.seconds:.1f} s used"
    return ReportedAttack(
        attack_kind(result.attack).title, tries, visible(result.best_try or "–"),
        _outcome(result.found_original, result_words(result, result.original)),
        _outcome(result.found_defended, result_words(result, result.defended)),
        control_words(result), bool(result.found_defended),
        _outcome(result.found_never_met, result_words(result, result.never_met)) if result.never_met is not None else None,
    )  # fmt: skip


def _own(one: OwnTry) -> ReportedAttack:
    original, defended = _outcome(one.found_original, score_words(one.original)), _outcome(one.found_defended, score_words(one.defended))
    third = _outcome(one.found_never_met, score_words(one.never_met)) if one.never_met is not None else None
    return ReportedAttack("Typed by hand", "1 try", visible(one.text), original, defended, "–", bool(one.found_defended), third)


def _outcome(is_found: bool | None, words: str) -> str:
    return f"{verdict_word(is_found)} · {words}" if words else verdict_word(is_found)


def reported_hearing(heard: tuple[Heard, ...], name: str, person_index: int) -> str:
    """What the models hear in a person's name, in a sentence or two; empty where it was not measured."""
    return next((heard_sentence(name, row) for row in heard if row.person_index == person_index), "")
