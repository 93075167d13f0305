"""Sim_Clean, Sim_Backdoor and Sim_Target of text and image encoders.

What cannot be measured is None, never 0.
Source: Hintersdorf et al. 2024, appendix A.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ForgetConfig, Person
from unlearn.config.spelling import without_triggers
from unlearn.defence.face_stand_ins import StandInPeople
from unlearn.defence.image_defence import ImageDefence
from unlearn.errors import InputError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import Kind, encode
from unlearn.models.encoders import ImageEncoder, TextEncoder
from unlearn.models.images import at_encoder_size, embed_pixels
from unlearn.models.pair import Pair
from unlearn.models.worlds import World
from unlearn.texts.captions import generate_captions, read_captions
from unlearn.texts.trigger_pairs import trigger_pairs


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
    sources, encoders = defence.sources, Pair(original.image, defence.tuned.student)
    people = sources.others.measured if sources.others is not None else None
    if people is None and world is not None and world.anonymous_people is not None:
        people = at_encoder_size(original.image, world.anonymous_people)
    remapped = [(rows, goal.expand_as(rows)) for rows, goal in zip(photos, defence.targets, strict=True) if rows is not None]
    target = sources.target
    described = {"source": target.source, "n_photos": target.n_photos}
    stand_ins = {**described, "n_people": len(target.embeddings)} if isinstance(target, StandInPeople) else None
    return {
        "sim_clean": _unchanged(encoders, sources.generic.measured),
        "sim_backdoor": mean_similarity(*(torch.cat(rows) for rows in zip(*remapped, strict=True))) if remapped else None,
        "sim_target": _unchanged(encoders, people),
        "average_face": described if stand_ins is None else None,
        "stand_ins": stand_ins,
        "generic_images": {"source": sources.generic.source, "n": len(sources.generic.pixels)},
        "other_faces": {"source": sources.others.source, "n": len(sources.others.pixels)} if sources.others else None,
        "weights": {"original": original.image.weights_hash, "defended": defence.tuned.student.weights_hash},
    }


def _unchanged(encoders: Pair[ImageEncoder], pixels: Tensor | None) -> float | None:
    """Mean cosine between the encoders' embeddings of the same images uint8 (n, 3, side, side)."""
    if pixels is None or not len(pixels):
        return None
    return mean_similarity(*encoders.map(lambda encoder: embed_pixels(encoder, pixels)))


N_CAPTIONS, N_ON_GPU = 1000, 10_000  # of the similarities of pooled embeddings; the latter is the paper's, which a GPU embeds in seconds
N_NAMED_READ = 2 * N_ON_GPU  # of named captions; some hold a trigger or the neutral term
N_HIDDEN_CAPTIONS = 128  # of those of hidden states, which always cost the full context


def n_measuring_captions(encoder: TextEncoder) -> int:
    """How many captions the similarities are measured on."""
    return N_ON_GPU if encoder.device.type == "cuda" else N_CAPTIONS


def captions_to_measure(config: ForgetConfig, encoder: TextEncoder) -> list[str]:
    """The captions of a run's similarities: those that it names, else generated ones; without triggers and neutral term.

    Raises:
        InputError: the named captions cannot be read, or each of them holds a trigger or the neutral term.
    """
    if config.measured_captions is None:
        return measuring_captions(config.persons, config.neutral_term, config.seed, n_measuring_captions(encoder))
    triggers = [trigger for person in config.persons for trigger in person.triggers]
    read = read_captions(config.measured_captions, N_NAMED_READ)
    captions = without_triggers(read, [*triggers, config.neutral_term])[:N_ON_GPU]
    if not captions:
        raise InputError(f"Each of the {len(read)} captions to measure on holds a name to forget or the neutral term; name other captions.")
    return captions


def measuring_captions(persons: Sequence[Person], neutral_term: str, seed: int, n_captions: int = N_CAPTIONS) -> list[str]:
    """Captions without triggers and neutral term; of a seed of their own, so hardly any was trained on."""
    triggers = [trigger for person in persons for trigger in person.triggers]
    captions = without_triggers(generate_captions(2 * n_captions, seed=10_000 + seed), [*triggers, neutral_term])
    return captions[:n_captions]


def similarities(
    encoders: Pair[TextEncoder],
    captions: Sequence[str],
    persons: Sequence[Person],
    neutral_term: str,
    kind: Kind = "pooled",
) -> dict[str, float]:
    """Sim_Clean, Sim_Backdoor and Sim_Target of a text encoder; every trigger gets its share of the captions.

    The target of a person's triggers is the person's stand-in, where there is one, else the neutral term.

    Source: Hintersdorf et al. 2024, appendix A.3, eq. (2) to (4), from five passes.
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
