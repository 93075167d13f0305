"""Runs attacks: each on the person and on strangers, within its time, and judges what it found."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unlearn.attacks.recovery.catalogue import AttackKind, Budget
from unlearn.attacks.recovery.context import Context, OutOfTime, Subject, Tried
from unlearn.attacks.recovery.never_met import side_of_third
from unlearn.attacks.recovery.registry import FUNCTIONS
from unlearn.attacks.recovery.verdicts import Side, judged, sides
from unlearn.models.pair import Pair

N_STRANGERS: dict[Budget, int] = {"quick": 1, "full": 3}  # each attack is run on
N_COMPARED: dict[Budget, int] = {"quick": 6, "full": 10}  # where they are the measure
STRANGERS_TIME = 3.0  # times the limit of the person, for all strangers together


@dataclass(frozen=True)
class Outcome:
    """One attack on one person.

    Attributes:
        kind: the attack.
        tried: all tries on the person.
        sides: what was reached on each model.
        strangers: the same of each stranger, judged by the others.
        seconds: of person and strangers together.
        budget_s: that the attack on one person may take.
        is_complete: False where the time ran out before all tries were made.
        third: what the same tries reach on a model that never met the person; None: there is none, or they cannot be made there.
    """

    kind: AttackKind
    tried: tuple[Tried, ...]
    sides: Pair[Side]
    strangers: tuple[Pair[Side], ...]
    seconds: float
    budget_s: float
    is_complete: bool
    third: Side | None = None


def budget_s(kind: AttackKind, budget: Budget) -> float:
    """Seconds that an attack on one person may take."""
    return kind.quick_s if budget == "quick" and kind.is_quick else kind.full_s


def attacked(context: Context, kind: AttackKind) -> Outcome:
    """Make one attack.

    Raises:
        JobCancelled: the user asked to stop.
    """
    started, limit = time.perf_counter(), budget_s(kind, context.budget)
    context.clock.start(limit, kind.title)
    tried, is_complete = _tries(context, kind)
    context.clock.start(STRANGERS_TIME * limit, f"{kind.title}, on strangers")
    controls = [_tries(replace(context, subject=stranger), kind) for stranger in _strangers(context, kind, bool(tried))]
    seconds = time.perf_counter() - started
    third = _third(context, kind, tried)
    context.clock.finish()
    reached = sides(tried, kind.rule)
    of_strangers = [sides(tries, kind.rule) for tries, is_whole in controls if tries and is_whole]  # half an attack is no measure
    verdicts = Pair(*(_judged(context, kind, reached, of_strangers, number) for number in (0, 1)))
    by_stranger = tuple(
        Pair(*(_judged(context, kind, one, [other for other in of_strangers if other is not one], number) for number in (0, 1)))
        for one in of_strangers
    )
    return Outcome(kind, tuple(tried), verdicts, by_stranger, seconds, limit, is_complete, third)


def _third(context: Context, kind: AttackKind, tried: Sequence[Tried]) -> Side | None:
    """The same tries on a model that never met the person; this is no attack, so its time is not that of the attacks."""
    if context.subject.third is None:
        return None
    started = time.perf_counter()
    context.clock.start(budget_s(kind, context.budget), f"{kind.title}, on a model that never met the person")
    third = side_of_third(context, kind, tried)
    context.clock.put_back(time.perf_counter() - started)
    return third


def _judged(context: Context, kind: AttackKind, reached: Pair[Side], strangers: Sequence[Pair[Side]], number: int) -> Side:
    trace = context.trace if number == 1 else None
    return judged(kind, reached[number], [stranger[number] for stranger in strangers], trace)


def _tries(context: Context, kind: AttackKind) -> tuple[list[Tried], bool]:
    """The tries that the time allows, and whether these are all."""
    tried: list[Tried] = []
    try:
        for one in FUNCTIONS[kind.name](context):
            tried.append(one)
    except OutOfTime:
        return tried, False
    return tried, True


def _strangers(context: Context, kind: AttackKind, has_tries: bool) -> list[Subject]:
    """Those on whom an attack is run as well, drawn from the seed; none for the trace, which concerns all names at once.

    They have no aliases; those of the person are tried on them.
    """
    if kind.rule == "trace" or not has_tries:
        return []
    is_measure = kind.rule in ("beyond strangers", "fewer steps")
    n_strangers = N_COMPARED[context.budget] if kind.rule == "beyond strangers" else N_STRANGERS["full" if is_measure else context.budget]
    others = [replace(stranger, aliases=context.subject.aliases) for stranger in context.strangers if stranger.name != context.subject.name]
    return random.Random(f"strangers {context.seed}").sample(others, min(n_strangers, len(others)))
