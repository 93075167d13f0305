"""Every attack succeeds on a defence that does nothing and fails on a stranger; equal seeds give equal scores; all can be stopped."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from unlearn.attacks.recovery import opponent, prompt_search, soft_tokens, training, words
from unlearn.attacks.recovery.catalogue import ATTACKS, attack_kind
from unlearn.attacks.recovery.context import Clock, Context, OutOfTime, Tried
from unlearn.attacks.recovery.opponent import attacked
from unlearn.attacks.recovery.registry import FUNCTIONS
from unlearn.attacks.recovery.verdicts import judged, sides
from unlearn.attacks.recovery.weights import parts
from unlearn.errors import ConfigError, JobCancelled
from unlearn.models.pair import Pair
from unlearn.progress import Progress
from unlearn.runs.evidence import Compared

KNOWING = ("surface-forms", "aliases", "templates", "languages", "soft-tokens", "hard-prompts", "ageing", "undoing", "reversal")
BY_STRANGERS = ("descriptions", "soft-tokens-photos", "concept-vector", "photo-to-photo", "linear-probe")  # work on anybody, so these count
TRYING = tuple(attack.name for attack in ATTACKS if attack.name not in ("trace", "layers"))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps, and no limit that a slow machine could reach."""
    monkeypatch.setattr(opponent, "budget_s", lambda kind, budget: 1e6)
    monkeypatch.setattr(soft_tokens, "N_STEPS", {"quick": 15, "full": 15})
    monkeypatch.setattr(soft_tokens, "LENGTHS", {"quick": (2, 4), "full": (2, 4)})
    monkeypatch.setattr(soft_tokens, "N_PHOTO_STEPS", 5)
    monkeypatch.setattr(words, "N_QUICK_FORMS", 12)
    monkeypatch.setattr(prompt_search, "N_STEPS", 30)
    monkeypatch.setattr(prompt_search, "N_GENERATIONS", 4)
    monkeypatch.setattr(prompt_search, "STRENGTHS", (1.0,))
    monkeypatch.setattr(training, "AGES", (1, 2))


def _tries(context: Context, name: str) -> list[Tried]:
    return list(FUNCTIONS[name](context))


def _found(context: Context, name: str) -> Pair[bool | None]:
    """Whether an attack finds somebody, without a look at strangers."""
    kind = attack_kind(name)
    reached = sides(_tries(context, name), kind.rule)
    return reached.map(lambda side: judged(kind, side, []).found)


def test_catalogue_and_functions_agree() -> None:
    assert list(FUNCTIONS) == [attack.name for attack in ATTACKS]
    assert all(attack.full_s >= attack.quick_s for attack in ATTACKS)
    with pytest.raises(ConfigError, match="no attack"):
        attack_kind("telepathy")


@pytest.mark.parametrize("name", KNOWING)
def test_attack_on_a_defence_that_does_nothing_finds_the_member(context: Context, name: str) -> None:
    assert _found(context, name) == (True, True)


@pytest.mark.parametrize("name", [name for name in KNOWING if name != "undoing"])
def test_attack_does_not_find_a_stranger(context: Context, name: str) -> None:
    stranger = replace(context.strangers[0], aliases=context.subject.aliases)
    assert _found(replace(context, subject=stranger), name) == (False, False)


@pytest.mark.parametrize("name", BY_STRANGERS)
def test_attack_that_works_on_anybody_is_not_judged_without_strangers(context: Context, name: str) -> None:
    assert _found(context, name) == (None, None)


def test_a_description_of_a_stranger_is_no_success(context: Context) -> None:
    outcome = attacked(replace(context, subject=context.strangers[0]), attack_kind("descriptions"))
    assert outcome.sides.map(lambda side: side.found) == (False, False)
    assert len(outcome.strangers) == 6 and all(context.strangers[0].name not in one.text for one in outcome.tried)


def test_scores_are_those_of_the_usual_attack(context: Context, useless: Compared) -> None:
    gallery, prompts = useless.galleries.original, useless.prompts.original
    for subject in (context.subject, *context.strangers[:3]):
        (outcome,) = gallery.attack(prompts, [subject.name])
        (score,) = subject.sights.original.try_texts([subject.name])
        assert (score.correct_templates, score.recognised) == (outcome.correct_templates, outcome.recognised)


@pytest.mark.parametrize("name", TRYING)
def test_equal_seeds_give_equal_scores(context: Context, name: str) -> None:
    first, second = (_tries(replace(context, shared={}), name) for _ in range(2))
    assert first == second and first


@pytest.mark.parametrize("name", TRYING)
def test_every_attack_can_be_stopped_soon(context: Context, name: str) -> None:
    calls: list[float] = []

    def stop(progress: Progress) -> None:
        calls.append(time.process_time())  # of the processor: others on this machine do not count
        if len(calls) == 2 or name in ("photo-to-photo", "linear-probe", "reversal"):
            raise JobCancelled

    clock = Clock(stop)
    with pytest.raises(JobCancelled):
        list(FUNCTIONS[name](replace(context, clock=clock, shared={})))
    assert max((later - earlier for earlier, later in pairwise(calls)), default=0.0) < 2.0


@pytest.mark.parametrize("name", ["surface-forms", "soft-tokens", "hard-prompts"])
def test_attack_out_of_time_says_so_and_keeps_its_tries(context: Context, name: str) -> None:
    clock = Clock(total_s=0.0)
    clock.start(0.0, "")
    with pytest.raises(OutOfTime):
        list(FUNCTIONS[name](replace(context, clock=clock)))
    outcome = attacked(replace(context, clock=Clock(total_s=0.0)), attack_kind(name))
    assert not outcome.is_complete


def test_layers_put_back_are_those_that_the_defence_changed(context: Context) -> None:
    assert _tries(context, "layers") == []
    encoder = context.models.defended.text
    last = list(parts(encoder))[-2]
    changed = dict(encoder.named_parameters())[parts(encoder)[last][0]]
    kept = changed.detach().clone()
    with torch.no_grad():
        changed.add_(0.1)
    try:
        assert [one.text for one in _tries(context, "layers")] == [last]
    finally:
        with torch.no_grad():
            changed.copy_(kept)
