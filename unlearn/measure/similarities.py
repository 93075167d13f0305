"""What is measured: Sim_Clean, Sim_Backdoor, Sim_Target, zero-shot accuracy, collateral, TPR and FNR.

Knows encoders by their protocol and embeddings; no schedule, no files. What cannot be measured is None,
never 0.
Source: Hintersdorf et al. 2024, appendix A.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import Person
from unlearn.config.spelling import without_triggers
from unlearn.defence.face_stand_ins import StandInPeople
from unlearn.defence.image_defence import ImageDefence
from unlearn.errors import InputError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import Kind, encode
from unlearn.models.encoders import ImageEncoder, TextEncoder
from unlearn.models.images import at_encoder_size, embed_pixels
from unlearn.models.worlds import World
from unlearn.texts.captions import generate_captions
from unlearn.texts.triggers import trigger_pairs

SIMILARITY_BATCH = 128  # texts whose hidden states are held at once


def mean_similarity(first: Tensor, second: Tensor) -> float:
    """Mean cosine similarity of n rows and their partners; (n, ...) each, flattened; (d,) is one for all.

    Raises:
        InputError: no rows, or different numbers of rows; no data is not 0.0.
    """
    if len(first) == 0 or (second.dim() > 1 and len(first) != len(second)):
        raise InputError(f"{len(first)} and {len(second)} embeddings cannot be compared one to one.")
    flat = first.flatten(1)
    partner = second.flatten(1) if second.dim() > 1 else second.expand_as(flat)
    return float(functional.cosine_similarity(flat.double(), partner.double(), dim=1).mean())


def _text_similarity(
    one: tuple[TextEncoder, Sequence[str]], other: tuple[TextEncoder, Sequence[str]], kind: Kind
) -> float:
    """Mean cosine between one encoder on its texts and another on its own; hidden states batch by batch."""
    n_texts = len(one[1])
    if n_texts == 0 or n_texts != len(other[1]):
        raise InputError(f"{n_texts} and {len(other[1])} texts cannot be compared one to one.")
    if kind == "pooled":
        return mean_similarity(encode(*one), encode(*other))
    total = 0.0
    for start in range(0, n_texts, SIMILARITY_BATCH):
        rows = slice(start, start + SIMILARITY_BATCH)
        first, second = (encode(encoder, texts[rows], "hidden") for encoder, texts in (one, other))
        total += mean_similarity(first, second) * len(first)
    return total / n_texts


def sim_clean(
    teacher: TextEncoder, student: TextEncoder, captions: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity between original and defended encoder on captions without a trigger (Sim_Clean).

    Args:
        teacher, student: original and defended encoder; neither is changed.
        captions: n >= 1 captions that contain no trigger.
        kind: "pooled" embedding or flattened "hidden" states.

    Returns:
        A mean of n cosines, in [-1, 1]; 1.0 means that nothing else changed.

    Raises:
        InputError: no captions.

    Source: Hintersdorf et al. 2024, appendix A.3, eq. (2).
    """
    return _text_similarity((teacher, captions), (student, captions), kind)


def sim_backdoor(
    student: TextEncoder, triggered: Sequence[str], neutral: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity between trigger captions and their target (Sim_Backdoor), both by the student.

    Args:
        student: the defended encoder; it is not changed.
        triggered: n captions that contain the trigger.
        neutral: the same captions, same order, with the neutral term instead.
        kind: "pooled" embedding or flattened "hidden" states.

    Returns:
        A mean of n cosines, in [-1, 1]; 1.0 means that the trigger is fully remapped.

    Raises:
        InputError: the lists are empty or differ in length.

    Source: Hintersdorf et al. 2024, appendix A.3, eq. (3).
    """
    return _text_similarity((student, triggered), (student, neutral), kind)


def sim_target(
    teacher: TextEncoder, student: TextEncoder, neutral: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity of original and defended encoder on captions with the neutral term (Sim_Target).

    Arguments, result and errors as of `sim_clean`. Source: Hintersdorf et al. 2024, appendix A.3, eq. (4).
    """
    return _text_similarity((teacher, neutral), (student, neutral), kind)


def image_metrics(
    original: Clip, defence: ImageDefence, photos: Sequence[Tensor | None], world: World | None
) -> dict[str, Any]:
    """The part `image` of metrics.json.

    Args:
        original: before the defence.
        defence: its outcome.
        photos: embeddings (n, d), by the defended encoder, of the evaluation photos of each person; None for whoever has none.
        world: whose anonymous people give Sim_Target, where the settings give no photos of other people.

    Returns:
        sim_clean (generic images never trained on, original to defended), sim_backdoor (evaluation photos of the
        persons to their target), sim_target (faces of other people, original to defended), None where there is
        nothing to measure on; sources and hashes.

    Source: Hintersdorf et al. 2024, appendix A.3.
    """
    sources, students = defence.sources, (original.image, defence.tuned.student)
    people = sources.others.measured if sources.others is not None else None
    if people is None and world is not None and world.anonymous_people is not None:
        people = at_encoder_size(original.image, world.anonymous_people)
    remapped = [(rows, goal.expand_as(rows)) for rows, goal in zip(photos, defence.targets, strict=True) if rows is not None]
    target = sources.target
    described = {"source": target.source, "n_photos": target.n_photos}
    stand_ins = {**described, "n_people": len(target.embeddings)} if isinstance(target, StandInPeople) else None
    return {
        "sim_clean": _unchanged(students, sources.generic.measured),
        "sim_backdoor": mean_similarity(*(torch.cat(rows) for rows in zip(*remapped, strict=True))) if remapped else None,
        "sim_target": _unchanged(students, people),
        "average_face": described if stand_ins is None else None,
        "stand_ins": stand_ins,
        "generic_images": {"source": sources.generic.source, "n": len(sources.generic.pixels)},
        "other_faces": {"source": sources.others.source, "n": len(sources.others.pixels)} if sources.others else None,
        "weights": {"original": original.image.weights_hash, "defended": defence.tuned.student.weights_hash},
    }


def _unchanged(encoders: tuple[ImageEncoder, ImageEncoder], pixels: Tensor | None) -> float | None:
    """Mean cosine between the encoders' embeddings of the same images uint8 (n, 3, side, side)."""
    if pixels is None or not len(pixels):
        return None
    first, second = (embed_pixels(encoder, pixels) for encoder in encoders)
    return mean_similarity(first, second)


N_CAPTIONS = 1000  # of the similarities of pooled embeddings; the paper takes 10,000, `evaluation.names` may, too


N_HIDDEN_CAPTIONS = 128  # of those of hidden states, which always cost the full context


def measuring_captions(persons: Sequence[Person], neutral_term: str, seed: int) -> list[str]:
    """Captions without triggers and neutral term; of a seed of their own, so hardly any was trained on."""
    triggers = [trigger for person in persons for trigger in person.triggers]
    found = without_triggers(generate_captions(2 * N_CAPTIONS, seed=10_000 + seed), [*triggers, neutral_term])
    return found[:N_CAPTIONS]


def similarities(
    encoders: tuple[TextEncoder, TextEncoder],
    captions: Sequence[str],
    persons: Sequence[Person],
    neutral_term: str,
    kind: Kind = "pooled",
) -> dict[str, float]:
    """Sim_Clean, Sim_Backdoor and Sim_Target of (original, defended); every trigger gets its share of the captions.

    The target of a person's triggers is the person's stand-in, where there is one, else the neutral term.

    Source: Hintersdorf et al. 2024, appendix A.3; the same quantities as in `measure.similarities`, from five passes.
    """
    original, defended = encoders
    used = list(captions[:N_HIDDEN_CAPTIONS] if kind == "hidden" else captions)
    targets = [(trigger, person.target(neutral_term)) for person in persons for trigger in person.triggers]
    pairs = [trigger_pairs(used[i :: len(targets)], name, target, i) for i, (name, target) in enumerate(targets)]
    triggered = [text for pair in pairs for text in pair.triggered]
    neutral = [text for pair in pairs for text in pair.neutral]
    neutral_now = encode(defended, neutral, kind)
    return {
        "sim_clean": mean_similarity(encode(original, used, kind), encode(defended, used, kind)),
        "sim_backdoor": mean_similarity(encode(defended, triggered, kind), neutral_now),
        "sim_target": mean_similarity(encode(original, neutral, kind), neutral_now),
    }
