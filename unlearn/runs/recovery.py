"""Attacks that try to bring a forgotten person of a finished run back, and tries that somebody types; recovery.json keeps both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unlearn.attacks.recovery.catalogue import Budget
from unlearn.config import Settings
from unlearn.progress import Report, no_report
from unlearn.runs.recovery_records import OwnTry, Recovery


@dataclass(frozen=True)
class RecoveryRequest:
    """Which attacks are asked for.

    Attributes:
        attacks: their names; none: all of the budget.
        budget: how many tries each may make and how long it may take.
        person_index: number of the person in the run's config.
        seed: of what is drawn at random.
    """

    attacks: tuple[str, ...] = ()
    budget: Budget = "quick"
    person_index: int = 0
    seed: int = 0


def recover(settings: Settings, run: Path, request: RecoveryRequest, report: Report = no_report) -> Recovery:
    """Attack a person of a finished run, and keep the results in its recovery.json.

    A result takes the place of an earlier one of the same attack on the same person; other results and own tries stay.

    Args:
        settings: device, folders.
        run: a finished run.
        request: what is asked for.
        report: told about the progress at least every two seconds; what it raises (JobCancelled) ends the attacks, and nothing is kept.

    Returns:
        What recovery.json holds now.

    Raises:
        ConfigError: an unknown attack or budget.
        InputError: no finished run, no such person, or no photos of the person.
    """
    raise NotImplementedError


def try_text(settings: Settings, run: Path, text: str, person_index: int = 0) -> OwnTry:
    """Put a text in the name's place, and keep the answer in recovery.json.

    Raises:
        InputError: no finished run, no such person, no photos of the person, or a text that is empty or does not fit.
    """
    raise NotImplementedError
