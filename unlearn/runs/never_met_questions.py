"""Answers of a set's second CLIP, which never met the person, to what is asked of a finished run: the attack, predictions, probes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlearn.attacks.gallery import personal_gallery, prompt_embeddings
from unlearn.attacks.idia import IdiaOutcome
from unlearn.attacks.own_photos import OwnPhotos
from unlearn.config import IdiaConfig, Person, Settings
from unlearn.measure.probes import ProbedModel
from unlearn.measure.zero_shot import probabilities
from unlearn.models.images import embed_images
from unlearn.models.suite import Suite, suite_of
from unlearn.runs.inputs import attack_photos
from unlearn.runs.photos import photos_of_run
from unlearn.runs.results import finished_run


def attack_by_never_met(
    settings: Settings, model_set: str, person: Person, idia: IdiaConfig, photos: Path | None = None, run: Path | None = None
) -> IdiaOutcome | None:
    """The same attack by the second CLIP; None where there is none, it met the person, or it cannot see the photos.

    Of the photos that a run was given only the embeddings by its own models are kept, which say nothing to another one.
    """
    suite = suite_of(model_set, settings)
    own: OwnPhotos = {} if photos is None else {person.name: attack_photos(photos, settings)}
    seen = None if not own and photos_of_run(person, run) else _seen(suite, person, idia, own)
    if seen is None:
        return None
    (outcome,) = seen.gallery.attack(seen.prompts, [person.name])
    return None if outcome.recognised is None else outcome


def shares_by_never_met(suite: Suite, person: str | None, pixels: np.ndarray, labels: Sequence[str]) -> list[float] | None:
    """Shares of the labels for a photo uint8 (height, width, 3) of somebody whom the second CLIP never met; else None."""
    model = suite.never_met([person] if person is not None else [])
    if model is None:
        return None
    (shares,) = probabilities(model.clip, embed_images(model.clip.image, pixels[None]), labels)
    return shares


def meanings_by_never_met(suite: Suite, run: Path, person_index: int, texts: Sequence[str]) -> list[dict[str, Any]] | None:
    """What texts mean to the second CLIP, as the inner rows of a probe; None where it met the person or cannot see the photos."""
    config = finished_run(run).config
    person = config.persons[person_index]
    seen = None if photos_of_run(person, run) else _seen(suite, person, config.idia, {})
    return None if seen is None else seen.meanings(texts, person.name, config.targets[person.name])


def _seen(suite: Suite, person: Person, idia: IdiaConfig, own: OwnPhotos) -> ProbedModel | None:
    """The second CLIP with the attack on one person; None where it met this one."""
    model = suite.never_met([person.name])
    if model is None:
        return None
    gallery = personal_gallery(model.clip, suite.world, person, idia, own)
    return ProbedModel(model.clip, gallery, prompt_embeddings(model.clip.text, gallery, suite.embeddings), None)
