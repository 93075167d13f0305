"""A defence that does nothing, for the opponent: the shipped set beside a copy of itself, made once for all tests of attacks."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from unlearn.attacks.gallery import gallery_with_strangers, prompt_embeddings
from unlearn.attacks.recovery.context import Context
from unlearn.config import ForgetConfig, IdiaConfig, Person, Settings
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.runs.evidence import Compared
from unlearn.runs.opponent_context import Opponent

MEMBER = Person("Marcus Bellwyn")
IDIA = IdiaConfig(n_candidate_names=100)


@pytest.fixture(scope="session")
def useless(shared: Settings) -> Compared:
    """A member was to be forgotten, and nothing was learned."""
    suite = suite_of("embedded", shared)
    config = suite.model_set.resolved(ForgetConfig((MEMBER,), idia=IDIA))
    gallery = gallery_with_strangers(suite.clip, suite.world, config.persons, IDIA)
    prompts = prompt_embeddings(suite.clip.text, gallery, None)
    models = Pair(suite.clip, replace(suite.clip, text=copy.deepcopy(suite.clip.text)))
    return Compared(models, Pair(gallery, gallery), Pair(prompts, prompts), config, suite.world)


@pytest.fixture(scope="session")
def context(useless: Compared) -> Context:
    """The quick set's context of the member."""
    opponent = Opponent(useless)
    subject = opponent.subject(MEMBER)
    assert subject is not None
    return opponent.context(subject, seed=0)
