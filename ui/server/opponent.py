"""The opponent of a finished run: which attacks are asked for, and what was found for the visitor who looks at it.

Whoever started the job of a run keeps what is found in the run's recovery.json. What others ask, of the prepared example as well, stays
theirs: it is kept with the question alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ui.server.service import Service
from unlearn.attacks.recovery.catalogue import ATTACKS as KINDS
from unlearn.attacks.recovery.catalogue import BUDGETS
from unlearn.errors import InputError
from unlearn.jobs import Job, Succeeded
from unlearn.runs.json_types import from_json
from unlearn.runs.recovery_records import OwnTry, Recovery, by_attack
from unlearn.runs.results import Run

ATTACKS, TEXTS = "recover", "own_try"  # kinds of questions: attacks, and what somebody typed in the name's place
NAMES = tuple(kind.name for kind in KINDS)
MAX_TEXTS = 10  # of a question
MAX_SEED = 2**31 - 1


def ask_attacks(service: Service, key: str, owner: str, wanted: dict[str, Any]) -> Job:
    """Queue attacks on a person of a run.

    Args:
        service: of the page.
        key: of the run.
        owner: who asks.
        wanted: attacks (names; none: all of the budget), budget, person (number in the run's config), seed.

    Raises:
        UnlearnError: no such attack, budget, person or run.
    """
    attacks, budget, seed = list(dict.fromkeys(wanted.get("attacks") or [])), wanted.get("budget", "quick"), wanted.get("seed", 0)
    if any(name not in NAMES for name in attacks):
        raise InputError(f"One of the attacks is unknown; use {', '.join(NAMES)}.")
    if budget not in BUDGETS:
        raise InputError(f"budget takes {' or '.join(BUDGETS)}.")
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed is {seed}; use a whole number from 0 to {MAX_SEED}.")
    return _ask(service, ATTACKS, key, owner, {"attacks": attacks, "budget": budget, "seed": seed, "person": wanted.get("person", 0)})


def ask_texts(service: Service, key: str, owner: str, texts: Sequence[str], person: int = 0) -> Job:
    """Queue what somebody typed in a person's place.

    Raises:
        UnlearnError: too many texts, or no such person or run.
    """
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InputError(f"There are {len(texts)} texts; send 1 to {MAX_TEXTS}.")
    return _ask(service, TEXTS, key, owner, {"texts": list(texts), "person": person})


def _ask(service: Service, kind: str, key: str, owner: str, request: dict[str, Any]) -> Job:
    run, job = service.run(key), service.job(key)
    if run is not None and not 0 <= request["person"] < len(run.config.persons):
        raise InputError(f"person is {request['person']}; the run has {len(run.config.persons)}, counted from 0.")
    return service.ask(kind, key, {**request, "keep": job is not None and job.owner == owner}, owner)


def recovery_of(run: Run, questions: Iterable[Job]) -> Recovery:
    """What was found on a run: what its folder keeps, and the answers that are kept with the questions alone.

    Args:
        run: a finished one.
        questions: those that the visitor may see, newest first.
    """
    recovery = run.recovery
    for job in reversed(list(questions)):
        if isinstance(job.state, Succeeded) and not job.request.get("keep", True):
            if job.request["kind"] == ATTACKS:
                recovery = _joined(recovery, from_json(Recovery, job.state.result["recovery"]))
            elif job.request["kind"] == TEXTS:
                recovery = replace(recovery, own=(*own_tries(job), *recovery.own))
    return recovery


def own_tries(job: Job) -> tuple[OwnTry, ...]:
    """The answers to what was typed; none while the question is not done."""
    return from_json(tuple[OwnTry, ...], job.state.result["own"] if isinstance(job.state, Succeeded) else ())


def _joined(recovery: Recovery, later: Recovery) -> Recovery:
    """Both; a later row takes the place of an earlier one on the same attack and person."""
    attacks, skipped = by_attack((*recovery.attacks, *later.attacks)), by_attack((*recovery.not_tried, *later.not_tried))
    left = tuple(row for key, row in skipped.items() if key not in attacks)
    return replace(later, attacks=tuple(attacks.values()), not_tried=left, own=recovery.own)
