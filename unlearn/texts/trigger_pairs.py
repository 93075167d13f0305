"""Texts with one trigger beside the same texts with its target: for measuring, and for the early stop."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.texts.prompts import CHECK_TEMPLATES, fill, random_position, replace_word


@dataclass(frozen=True)
class TriggerPairs:
    """n texts with one trigger and the same texts, same order, with its target."""

    trigger: str
    triggered: tuple[str, ...]
    neutral: tuple[str, ...]


def trigger_pairs(captions: Sequence[str], trigger: str, target: str, seed: int) -> TriggerPairs:
    """The captions with a random word replaced by the trigger, and by its target; for measuring."""
    generator = random.Random(f"pairs {seed}")
    places = [(caption, random_position(caption, generator)) for caption in captions]
    return TriggerPairs(
        trigger,
        tuple(replace_word(caption, position, trigger) for caption, position in places),
        tuple(replace_word(caption, position, target) for caption, position in places),
    )


def check_pairs(captions: Sequence[str], trigger: str, target: str) -> TriggerPairs:
    """The texts of the early stop: templates that are in no training and no attack, and held-out captions."""
    pairs = trigger_pairs(captions, trigger, target, seed=0)
    return TriggerPairs(
        trigger,
        tuple(fill(template, trigger) for template in CHECK_TEMPLATES) + pairs.triggered,
        tuple(fill(template, target) for template in CHECK_TEMPLATES) + pairs.neutral,
    )
