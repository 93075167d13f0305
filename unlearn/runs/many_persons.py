"""Runs with many persons: one summary, and a row for each, for page, report and console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.runs.metrics import PersonMetrics
from unlearn.runs.records import BeforeAfter
from unlearn.runs.sentences import verdict_summary

MOST_ALONE = 3  # persons that are told of one by one; of more there is a summary and a table
MAX_NAMED = 6  # in the summary; the table has everybody
FORGOTTEN, NOT_ATTACKED = "forgotten", "not attacked"
VERDICTS: dict[tuple[bool | None, bool | None], str] = {
    (True, False): FORGOTTEN,
    (True, True): "still recognised",
    (False, False): "unknown before and after",
    (False, True): "recognised only now",
    (True, None): "attacked on the original only",
    (False, None): "attacked on the original only",
}


@dataclass(frozen=True)
class PersonOutcome:
    """A person of a run: correct templates before and after, the verdict in a word or two.

    `rank`: of the own name among all candidates, where it was measured.
    """

    name: str
    templates: BeforeAfter[int | None]
    rank: BeforeAfter[float | None]
    verdict: str

    @property
    def is_forgotten(self) -> bool | None:
        """None where nobody can say."""
        return None if self.verdict in (NOT_ATTACKED, VERDICTS[True, None]) else self.verdict == FORGOTTEN


UNKNOWN = PersonOutcome("", BeforeAfter(None, None), BeforeAfter(None, None), NOT_ATTACKED)  # of whom the run says nothing


def outcomes(persons: Sequence[PersonMetrics]) -> list[PersonOutcome]:
    """A row for each person, in the order of the run."""
    return [_outcome(person) for person in persons]


def _outcome(person: PersonMetrics) -> PersonOutcome:
    sides, models = person.idia, person.never_met_model
    before = models.original.rank if models is not None else None
    after = models.defended.rank if models is not None else None
    verdict = VERDICTS.get((sides.original.recognised, sides.defended.recognised), NOT_ATTACKED)
    templates = BeforeAfter(sides.original.correct_templates, sides.defended.correct_templates)
    return PersonOutcome(person.name, templates, BeforeAfter(before, after), verdict)


def not_forgotten_first(rows: Sequence[PersonOutcome]) -> list[PersonOutcome]:
    """The rows with those who were not forgotten first: they are what a reader looks for."""
    return sorted(rows, key=lambda row: row.is_forgotten is True)


def persons_summary(persons: Sequence[PersonMetrics]) -> str:
    """The outcome for several persons in a sentence; empty for a single one, whose verdict says it all."""
    return verdict_summary(persons) if len(persons) <= MOST_ALONE else many_summary(outcomes(persons))


def many_summary(rows: Sequence[PersonOutcome]) -> str:
    """How many were forgotten, and who was not, and why."""
    others = [row for row in rows if row.is_forgotten is not True]
    n_forgotten = len(rows) - len(others)
    if not others:
        return f"All {len(rows)} persons are forgotten."
    named = [f"{row.name} ({row.verdict})" for row in others[:MAX_NAMED]]
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return f"{n_forgotten} of {len(rows)} persons are forgotten; not: {', '.join(named)}{more}."
