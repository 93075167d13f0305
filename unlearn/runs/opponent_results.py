"""Outcomes of attacks as rows of recovery.json."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.attacks.recovery.opponent import Outcome
from unlearn.attacks.recovery.scores import MIN_TEMPLATES, TryScore
from unlearn.attacks.recovery.verdicts import Side
from unlearn.models.pair import Pair
from unlearn.runs.recovery_records import AttackResult, Control, Success, Try, danger

N_KEPT = 5  # tries of each attack


def result_of(outcome: Outcome, person_index: int) -> AttackResult:
    """The row of an attack on one person."""
    before, after, third = *outcome.sides, outcome.third
    best = outcome.tried[after.best] if after.best is not None else None
    return AttackResult(
        original=before.score,
        defended=after.score,
        attack=outcome.kind.name,
        family=outcome.kind.family,
        n_tries=len(outcome.tried),
        budget_s=outcome.budget_s,
        best_try=best.text if best is not None else None,
        found_original=before.found,
        found_defended=after.found,
        seconds=outcome.seconds,
        person_index=person_index,
        is_prompt=best is not None and best.is_prompt,
        n_found_original=sum(map(bool, before.each)),
        n_found_defended=sum(map(bool, after.each)),
        tries=_nearest(outcome),
        control=_control(outcome.strangers),
        is_complete=outcome.is_complete,
        note=_note(outcome),
        never_met=third.score if third is not None else None,
        found_never_met=third.found if third is not None else None,
    )


def _nearest(outcome: Outcome) -> tuple[Try, ...]:
    """The tries that came nearest on the defended model."""
    before, after = outcome.sides
    third = _third(outcome)
    rows = zip(outcome.tried, before.each, after.each, third, strict=True)
    tries = [Try(*one.scores, one.text, first, second, one.is_prompt, *never_met) for one, first, second, never_met in rows]
    return tuple(sorted(tries, key=danger, reverse=True)[:N_KEPT])


def _third(outcome: Outcome) -> list[tuple[TryScore | None, bool | None]]:
    """Score and verdict of each try on a model that never met the person."""
    side = outcome.third
    return [(None, None)] * len(outcome.tried) if side is None else list(zip(side.tries, side.each, strict=True))


def _control(strangers: Sequence[Pair[Side]]) -> Control | None:
    if not strangers:
        return None
    before, after = ([stranger[number] for stranger in strangers] for number in (0, 1))
    n_found = [sum(bool(side.found) for side in sides) for sides in (before, after)]
    return Control(_best(before), _best(after), len(strangers), n_found_original=n_found[0], n_found_defended=n_found[1])


def _best(strangers: Sequence[Side]) -> TryScore:
    return max((stranger.score for stranger in strangers), key=lambda score: score.nearness)


def _note(outcome: Outcome) -> str:
    """What the figures of some attacks mean."""
    if outcome.kind.rule == "fewer steps":
        takes = [
            f"{one.text}: {_steps(one.scores.defended)}; strangers "
            + ", ".join(_steps(stranger.defended.tries[number]) for stranger in outcome.strangers if number < len(stranger.defended.tries))
            for number, one in enumerate(outcome.tried)
        ]
        return f"Steps until found. {'. '.join(takes)}."
    if outcome.kind.name == "layers":
        parts = [f"{one.text} {one.scores.defended.correct_templates}" for one in outcome.tried]
        return f"Templates that name the person with one part of the original put back: {', '.join(parts)}."
    return ""


def _steps(score: TryScore) -> str:
    return "not found" if score.steps is None else str(score.steps)


def success_of(attacks: Sequence[AttackResult]) -> Success:
    """The definition of success, and how often it was met by strangers in these attacks."""
    controls = [result.control for result in attacks if result.control is not None]
    return Success(
        MIN_TEMPLATES,
        max((control.n_strangers for control in controls), default=0),
        sum(2 * control.n_strangers for control in controls),
        sum(control.n_found_original + control.n_found_defended for control in controls),
    )
