"""The opponent's results over all persons of a run: attacks with budget and outcome, those not made, and the price of undoing."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn.attacks.recovery.catalogue import ATTACKS, attack_kind
from unlearn.runs.documents import wording
from unlearn.runs.documents.content import NotTried, Tried
from unlearn.runs.documents.naming import Naming
from unlearn.runs.recovery_records import AttackResult, OwnTry, Recovery
from unlearn.runs.recovery_sentences import ORIGINAL_WEIGHTS, untried

UNDOING = "undoing"  # the attack that relearns the person
TYPED = "Typed by hand"


def tried(recovery: Recovery) -> tuple[Tried, ...]:
    """A row an attack, in the order of the catalogue, and one for what was typed."""
    by_name = {kind.name: [result for result in recovery.attacks if result.attack == kind.name] for kind in ATTACKS}
    rows = [_tried(results) for results in by_name.values() if results]
    return (*rows, *([_typed(recovery.own)] if recovery.own else []))


def tried_summary(recovery: Recovery, who: str) -> str:
    """How many of the attacks found somebody before, and which do now; not counted: putting the original's weights back."""
    kinds = [kind for kind in ATTACKS if kind.family != ORIGINAL_WEIGHTS]
    known = [result for result in recovery.attacks if result.found_defended is not None]
    by_kind = {kind.title: [result for result in known if result.attack == kind.name] for kind in kinds}
    decided = {title: results for title, results in by_kind.items() if results}
    if not decided:
        return wording.NONE_TRIED
    before = sum(any(result.found_original for result in results) for results in decided.values())
    now = [title.lower().rstrip("?") for title, results in decided.items() if any(result.found_defended for result in results)]
    sentence = wording.NONE_FINDS if not now else wording.ONE_FINDS if len(now) == 1 else wording.SOME_FIND
    return sentence.format(n=len(decided), who=who, before=before, now=len(now), titles=", ".join(now))


def ways_back(recovery: Recovery, person_index: int) -> tuple[int, int]:
    """(Attacks on one person of which can be said whether they found the person, those of them that do now)."""
    decided = [
        result for result in recovery.attacks
        if result.person_index == person_index and result.family != ORIGINAL_WEIGHTS and result.found_defended is not None
    ]  # fmt: skip
    return len(decided), sum(bool(result.found_defended) for result in decided)


def _tried(results: Sequence[AttackResult]) -> Tried:
    controls = [result.control for result in results if result.control is not None]
    return Tried(
        attack_kind(results[0].attack).title, max(result.n_tries for result in results), max(result.budget_s for result in results),
        len(results), _found([result.found_original for result in results]), _found([result.found_defended for result in results]),
        max((control.n_strangers for control in controls), default=0),
        max(control.n_found_defended for control in controls) if controls else None,
    )  # fmt: skip


def _typed(own: Sequence[OwnTry]) -> Tried:
    sides = [{one.person_index for one in own if found(one)} for found in (_before, _now)]
    return Tried(TYPED, len(own), 0.0, len({one.person_index for one in own}), len(sides[0]), len(sides[1]), 0, None)


def _before(one: OwnTry) -> bool:
    return bool(one.found_original)


def _now(one: OwnTry) -> bool:
    return bool(one.found_defended)


def _found(each: Sequence[bool | None]) -> int | None:
    known = [found for found in each if found is not None]
    return sum(known) if known else None


def not_tried(recovery: Recovery, n_persons: int) -> tuple[NotTried, ...]:
    """The attacks that were made on nobody, those of one reason together."""
    made = {attack_kind(result.attack).title for result in recovery.attacks}
    reasons: dict[str, dict[str, None]] = {}
    for number in range(n_persons):
        for row in untried(recovery, number):
            if row.title not in made and not any(row.title in titles for titles in reasons.values()):
                reasons.setdefault(row.why, {})[row.title] = None
    return tuple(NotTried(tuple(titles), why) for why, titles in reasons.items())


def undoing(recovery: Recovery, naming: Naming) -> tuple[str, ...]:
    """What it takes to bring the persons back."""
    results = [result for result in recovery.attacks if result.attack == UNDOING]
    sentences = [wording.ORIGINAL_AT_HAND]
    if not results:
        return (*sentences, wording.UNDOING_NOT_TRIED)
    for result in results:
        sentences.append(naming.cleaned(wording.UNDOING_TRIED.format(who=naming.of(result.person_index), note=result.note)))
        if result.found_defended is not None:
            sentences.append(wording.UNDOING_QUICK if result.found_defended else wording.UNDOING_SLOW)
    return tuple(sentences)
