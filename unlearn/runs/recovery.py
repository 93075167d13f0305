"""Attacks that try to bring a forgotten person of a run back, and tries that somebody types; recovery.json keeps both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from unlearn.attacks.figures import Trace
from unlearn.attacks.recovery.catalogue import ATTACKS, BUDGETS, NEVER_TRIED, TOTAL_S, AttackKind, Budget, attack_kind
from unlearn.attacks.recovery.context import Clock, Context, scored_texts
from unlearn.attacks.recovery.opponent import attacked
from unlearn.attacks.recovery.scores import is_named
from unlearn.config import Person, Settings
from unlearn.defence.trigger_checks import require_fitting
from unlearn.errors import ConfigError, InputError
from unlearn.models.suite import suite_of
from unlearn.progress import Report, no_report
from unlearn.runs.opponent_context import Opponent, opponent_of
from unlearn.runs.opponent_results import result_of, success_of
from unlearn.runs.recovery_records import NO_TIME, ON_DEMAND, AttackResult, NotTried, OwnTry, Recovery, by_attack
from unlearn.runs.results import MANIFEST, Run, finished_run, write_results

MAX_OWN, MAX_OWN_LENGTH = 200, 200  # tries kept, and their characters
NO_PHOTOS = "There are no photos of this person, or too few, so that nothing tells whether the person was found."


@dataclass(frozen=True)
class RecoveryRequest:
    """Which attacks are asked for.

    Attributes:
        attacks: their names; none: all of the budget.
        budget: how many tries each may make and how long it may take.
        person_index: number of the person in the run's config.
        seed: of what is drawn at random.
        keep: whether the results are kept in the run's recovery.json; else they are only returned.
    """

    attacks: tuple[str, ...] = ()
    budget: Budget = "quick"
    person_index: int = 0
    seed: int = 0
    keep: bool = True

    def __post_init__(self) -> None:
        if self.budget not in BUDGETS:
            raise ConfigError(f"The budget is {str(self.budget)[:20]!r}; use {' or '.join(BUDGETS)}.")
        for name in self.attacks:
            attack_kind(name)

    @property
    def kinds(self) -> tuple[AttackKind, ...]:
        """The attacks to make, in the order of the catalogue."""
        return tuple(kind for kind in ATTACKS if (kind.name in self.attacks if self.attacks else self.budget == "full" or kind.is_quick))


def recover(settings: Settings, run: Path, request: RecoveryRequest, report: Report = no_report) -> Recovery:
    """Attack a person of a finished run, and keep the results in its recovery.json where the request says so.

    A result takes the place of an earlier one of the same attack on the same person; other results and own tries stay.

    Args:
        settings: device, folders.
        run: a finished run.
        request: what is asked for.
        report: told about the progress at least every two seconds; what it raises (JobCancelled) ends the attacks, and nothing is kept.

    Returns:
        What recovery.json holds now, or would hold.

    Raises:
        ConfigError: an unknown attack or budget.
        InputError: no finished run, no such person, or no photos of the person.
    """
    finished = finished_run(run)
    person = _person(finished, request.person_index)
    opponent = _opponent(finished, settings, report)
    if opponent.subject(person) is None:
        raise InputError(NO_PHOTOS)
    clock = Clock(report, TOTAL_S[request.budget], len(request.kinds))
    added = attacked_person(opponent, person, finished.metrics.trace, request, clock)
    recovery = merged(finished_run(run).recovery, added, request)
    if request.keep:
        write_results(run, recovery=recovery)
    return recovery


def try_text(settings: Settings, run: Path, text: str, person_index: int = 0, *, keep: bool = True) -> OwnTry:
    """Put a text in the name's place, and keep the answer in recovery.json where `keep` says so.

    Raises:
        InputError: no finished run, no such person, no photos of the person, or a text that is empty or does not fit.
    """
    finished = finished_run(run)
    person, typed = _person(finished, person_index), " ".join(text.split())
    if not typed or len(typed) > MAX_OWN_LENGTH:
        raise InputError(f"The text has {len(typed)} characters; give 1 to {MAX_OWN_LENGTH}.")
    require_fitting(suite_of(finished.config.model_set, settings).clip.text, typed, "the text")
    opponent = _opponent(finished, settings, no_report)
    subject = opponent.subject(person)
    if subject is None:
        raise InputError(NO_PHOTOS)
    (tried,) = scored_texts(subject.sights, [typed])
    before, after = tried.scores
    third = subject.third.try_texts([typed])[0] if subject.third is not None else None
    own = OwnTry(
        before, after, typed, is_named(before), is_named(after), never_met=third,
        found_never_met=None if third is None else is_named(third), person_index=person_index,
    )  # fmt: skip
    if keep:
        recovery = finished_run(run).recovery
        others = [other for other in recovery.own if (other.text, other.person_index) != (typed, person_index)]
        write_results(run, recovery=replace(recovery, own=(own, *others)[:MAX_OWN]))
    return own


def quick(opponent: Opponent, trace: Trace | None, report: Report = no_report) -> Recovery:
    """The quick set on the persons of a run that is being made; those for whom the time does not suffice are told as not tried.

    Args:
        opponent: of the run.
        trace: as the run measured it.
        report: told about the progress.
    """
    recovery, config = Recovery(), opponent.config
    clock = Clock(report, TOTAL_S["quick"], len(RecoveryRequest().kinds) * len(config.persons))
    for index, person in enumerate(config.persons):
        request = RecoveryRequest(person_index=index, seed=config.seed)
        recovery = merged(recovery, attacked_person(opponent, person, trace, request, clock), request)
    return recovery


def attacked_person(opponent: Opponent, person: Person, trace: Trace | None, request: RecoveryRequest, clock: Clock) -> Recovery:
    """The attacks of a request on one person: results, and what was not tried."""
    subject = opponent.subject(person)
    if subject is None:
        return Recovery(not_tried=tuple(NotTried(kind.name, NO_PHOTOS, request.person_index) for kind in request.kinds))
    context = replace(opponent.context(subject, request.seed), trace=trace, budget=request.budget, clock=clock)
    results, not_tried = list[AttackResult](), list[NotTried]()
    for kind in request.kinds:
        reason = _obstacle(kind, opponent, context)
        outcome = attacked(context, kind) if not reason else None
        if outcome is not None and outcome.tried:
            results.append(result_of(outcome, request.person_index))
        else:
            not_tried.append(NotTried(kind.name, reason or NO_TIME, request.person_index))
    return Recovery(attacks=tuple(results), not_tried=tuple(not_tried))


def _obstacle(kind: AttackKind, opponent: Opponent, context: Context) -> str:
    """Why an attack cannot be made; "" where it can."""
    if "text defence" in kind.needs and not opponent.is_text_defended:
        return "The run did not defend CLIP's text encoder."
    if "face defence" in kind.needs and not opponent.is_face_defended:
        return "The run did not defend the image encoder."
    if "traits" in kind.needs and not context.subject.descriptions:
        return "Nobody has described the person's looks to the program."
    if kind.name == "aliases" and not context.subject.aliases:
        return "No other name of the person is known; type one."
    if kind.name == "trace" and context.trace is None:
        return "The run did not measure it."
    return NO_TIME if context.clock.is_over else ""


def merged(earlier: Recovery, added: Recovery, request: RecoveryRequest) -> Recovery:
    """Earlier results with new ones in their place; what was not tried is told for what was asked for, and for what no budget tries."""
    new = by_attack(added.attacks)
    attacks = (*(result for key, result in by_attack(earlier.attacks).items() if key not in new), *added.attacks)
    made, reasons = by_attack(attacks), by_attack((*earlier.not_tried, *added.not_tried))
    for kind in ATTACKS:
        key = kind.name, request.person_index
        reasons.setdefault(key, NotTried(kind.name, ON_DEMAND, request.person_index))
    not_tried = [row for key, row in reasons.items() if key not in made and row.attack not in NEVER_TRIED]
    never = [NotTried(name, why) for name, why in NEVER_TRIED.items()]
    budget: Budget = "full" if "full" in (earlier.budget, request.budget) else "quick"
    return Recovery(budget, success_of(attacks), attacks, (*not_tried, *never), earlier.own)


def _person(run: Run, index: int) -> Person:
    persons = run.config.persons
    if not 0 <= index < len(persons):
        raise InputError(f"Person {index} does not exist; the run has {len(persons)}, counted from 0.")
    return persons[index]


def _opponent(run: Run, settings: Settings, report: Report) -> Opponent:
    """The opponent of a run; that of the latest run is kept, until its folder is replaced."""
    suite = suite_of(run.config.model_set, settings)
    key = ("opponent", run.folder, (run.folder / MANIFEST).stat().st_mtime_ns)
    opponent: Opponent = suite.answers.get(key, lambda: opponent_of(run, settings, report))
    return opponent
