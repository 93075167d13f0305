"""How well the original model knows its members, and that it knows nobody else."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.gallery import Gallery, build_gallery
from unlearn.attacks.idia import IdiaOutcome, predicted_names
from unlearn.config import IdiaConfig, Person
from unlearn.evaluation.evaluated_set import EvaluatedSet
from unlearn.measure.zero_shot import class_embeddings, person_or_thing, utility
from unlearn.models.embeddings import encode
from unlearn.models.images import embed_images
from unlearn.models.pair import Pair
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill

RIVAL_TERMS = ("human", "person", "man", "woman")
RIVAL_TEMPLATE = "a photo of {0}"
PERSON_NOUNS = ("person", "human", "man", "woman")


def original_figures(evaluated: EvaluatedSet, gallery: Gallery, prompts: Tensor) -> dict[str, Any]:
    """The figures of the original model but for its portraits.

    Args:
        evaluated: the set.
        gallery: everybody of its world, as from `EvaluatedSet.gallery`.
        prompts: of this gallery.
    """
    members = _attacked(gallery.attack(prompts, evaluated.members))
    strangers = _attacked(gallery.attack(prompts, evaluated.strangers))
    aliases = _attacked(_attacked_by_alias(evaluated))
    correct = [outcome.correct_templates for outcome in members if outcome.correct_templates is not None]
    accuracy = utility(Pair(evaluated.original, evaluated.original), evaluated.world.things)
    return {
        "n_members": len(members),
        "members_recognised": _n_recognised(members),
        "median_templates": statistics.median(correct) if correct else None,
        "n_strangers": len(strangers),
        "strangers_recognised": _n_recognised(strangers),
        "n_aliases": len(aliases),
        "aliases_recognised": _n_recognised(aliases),
        "neutral_wins": {term: _neutral_wins(evaluated, gallery, prompts, term) for term in RIVAL_TERMS},
        "object_top1": accuracy["top1_original"],
        "object_top5": accuracy["top5_original"],
        "person_or_thing": _person_or_thing(evaluated, gallery),
    }


def _attacked_by_alias(evaluated: EvaluatedSet) -> list[IdiaOutcome]:
    persons = [Person(inhabitant.aliases[0]) for inhabitant in evaluated.world.members if inhabitant.aliases]
    gallery = build_gallery(evaluated.original, evaluated.world, persons, IdiaConfig())
    return gallery.attack(evaluated.prompts(gallery), [person.name for person in persons])


def _neutral_wins(evaluated: EvaluatedSet, gallery: Gallery, prompts: Tensor, term: str) -> int | None:
    """For how many members the term, in the name's place, is the majority's choice among all other names; None: no members."""
    if not evaluated.members:
        return None
    template = PROMPT_TEMPLATES.index(RIVAL_TEMPLATE)
    candidates = gallery.candidates
    directions = functional.normalize(prompts.view(len(PROMPT_TEMPLATES), len(candidates), -1)[template], dim=-1)
    rival = functional.normalize(encode(evaluated.original.text, [fill(RIVAL_TEMPLATE, term)]), dim=-1)[0]
    n_wins = 0
    for name in evaluated.members:
        place = candidates.index(name)
        with_rival = directions.clone()
        with_rival[place] = rival
        predicted = predicted_names(gallery.photos[name][None], with_rival[None])  # (1, photos, 1)
        counts = torch.bincount(predicted.flatten(), minlength=len(with_rival))
        n_wins += int(counts[place] > 0 and int(counts.argmax()) == place)
    return n_wins


def _person_or_thing(evaluated: EvaluatedSet, gallery: Gallery) -> float | None:
    """Share of all photos and of the pictures of things that are taken for what they show; None where either kind is missing."""
    things, original = evaluated.world.things, evaluated.original
    if things is None:
        return None
    person_texts, thing_texts = class_embeddings(original.text, PERSON_NOUNS), class_embeddings(original.text, things.kinds)
    photos = torch.cat(list(gallery.photos.values()))
    right_persons = person_or_thing(photos, person_texts, thing_texts)
    wrong_things = person_or_thing(embed_images(original.image, things.images), person_texts, thing_texts)
    if right_persons is None or wrong_things is None:
        return None
    n_things = len(things.images)
    return (right_persons * len(photos) + (1 - wrong_things) * n_things) / (len(photos) + n_things)


def _attacked(outcomes: Sequence[IdiaOutcome]) -> list[IdiaOutcome]:
    """Without those who have too few photos: about them nothing is known."""
    return [outcome for outcome in outcomes if outcome.recognised is not None]


def _n_recognised(outcomes: Sequence[IdiaOutcome]) -> int:
    return sum(bool(outcome.recognised) for outcome in outcomes)
