"""Forgetting faces: photos of persons -> a CLIP whose image encoder takes them for the average face, and its figures.

Puts together `image_sources`, `average_face`, `image_task` and the loop in `finetune`. Knows nothing of names and texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearn.average_face import AverageFace, apart_from_neutral_term, average_face
from unlearn.clip import Clip
from unlearn.config import ForgetConfig, Person, Report, Settings, no_report
from unlearn.encoders import ImageEncoder
from unlearn.errors import InputError
from unlearn.finetune import FineTuned, fine_tune
from unlearn.image_sources import Pictures, at_encoder_size, generic_images, other_faces
from unlearn.image_task import image_task
from unlearn.metrics import mean_similarity
from unlearn.worlds import World

MEASURED_BATCH = 64


@dataclass(frozen=True)
class PersonFaces:
    """Photos of one person, uint8 (height, width, 3) each; no photo is in both parts."""

    fine_tuning: Sequence[np.ndarray]
    evaluation: Sequence[np.ndarray] = ()


Faces = Mapping[str, PersonFaces]  # by name, as in `ForgetConfig.persons`


@dataclass(frozen=True)
class Sources:
    """What a defence is made with besides the persons' photos; the same for all persons of a model set."""

    generic: Pictures
    others: Pictures | None
    average: AverageFace


@dataclass(frozen=True)
class ImageDefence:
    """The outcome: a CLIP with the defended image encoder, how it was tuned, and with what."""

    defended: Clip
    tuned: FineTuned[ImageEncoder]
    sources: Sources


def require_faces(persons: Sequence[Person], faces: Faces) -> None:
    """Raise `InputError` unless every person has fine-tuning photos and none of them is an evaluation photo.

    Persons are told by number, because messages end up in logs.
    """
    unknown = set(faces) - {person.name for person in persons}
    if unknown:
        raise InputError(f"{len(unknown)} sets of photos belong to nobody who is forgotten; give the names as they are given there.")
    for number, person in enumerate(persons, start=1):
        found = faces.get(person.name)
        if found is None or not len(found.fine_tuning):
            raise InputError(
                f"Person {number} has no photos to fine-tune with; the image encoder needs about 30 of every person (--faces)."
            )
        trained = {_fingerprint(photo) for photo in found.fine_tuning}
        if any(_fingerprint(photo) in trained for photo in found.evaluation):
            raise InputError(f"A photo of person {number} is both for fine-tuning and for evaluation; they must differ.")


def _fingerprint(photo: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    return photo.shape, photo.tobytes()


def read_sources(
    original: Clip, config: ForgetConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Sources:
    """Generic images, faces of other people and the average face, as the config says.

    Raises:
        ConfigError, InputError: something is missing or unreadable; says which setting names it.
    """
    assert config.image is not None  # filled in by `fill_defaults`
    average = average_face(original, config, settings, world, report)
    if config.encoder == "both":
        average = apart_from_neutral_term(original, average, config.neutral_term, config.image.target_apart)
    return Sources(
        generic_images(config.image, original.image, world, config.seed),
        other_faces(config.image, original.image, world, config.seed),
        average,
    )


def defend_image(
    original: Clip, config: ForgetConfig, faces: Faces, sources: Sources, report: Report = no_report
) -> ImageDefence:
    """Fine-tune the image encoder on the faces of the config's persons.

    Args:
        original: it is not changed.
        config: with `image` filled in; whose faces, in which order, and the seed.
        faces: photos by name; the evaluation photos are not looked at.
        sources: as from `read_sources`.
        report: progress of the fine-tuning.

    Raises:
        InputError: somebody has no photos.
    """
    assert config.image is not None  # filled in by `fill_defaults`
    require_faces(config.persons, faces)
    crops = [at_encoder_size(original.image, list(faces[person.name].fine_tuning)) for person in config.persons]
    others = sources.others.pixels if sources.others is not None else None
    pixels = (sources.generic.pixels, crops, others)
    task = image_task(original.image, config.image, config.seed, pixels, sources.average.embedding)
    tuned = fine_tune(original.image, task, config.image, report)
    return ImageDefence(original.with_image(tuned.student), tuned, sources)


def image_metrics(
    original: Clip, defence: ImageDefence, photos: Sequence[Tensor], world: World | None
) -> dict[str, Any]:
    """The part `image` of metrics.json.

    Args:
        original: before the defence.
        defence: its outcome.
        photos: embeddings (n, d), by the defended encoder, of the evaluation photos of each person who has some.
        world: whose anonymous people give Sim_Target, where the settings give no photos of other people.

    Returns:
        sim_clean (generic images never trained on, original to defended), sim_backdoor (evaluation photos of the
        persons to the average face), sim_target (faces of other people, original to defended), None where there is
        nothing to measure on; sources and hashes.

    Source: Hintersdorf et al. 2024, appendix A.3.
    """
    sources, students = defence.sources, (original.image, defence.tuned.student)
    people = sources.others.measured if sources.others is not None else None
    if people is None and world is not None and world.anonymous_people is not None:
        people = at_encoder_size(original.image, world.anonymous_people)
    remapped = torch.cat(list(photos)) if photos else None
    return {
        "sim_clean": _unchanged(students, sources.generic.measured),
        "sim_backdoor": None if remapped is None else mean_similarity(remapped, sources.average.embedding),
        "sim_target": _unchanged(students, people),
        "average_face": {"source": sources.average.source, "n_photos": sources.average.n_photos},
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


def embed_pixels(encoder: ImageEncoder, pixels: Tensor) -> Tensor:
    """Embeddings (n, d) on the CPU of images uint8 (n, 3, side, side) at the encoder's size."""
    with torch.no_grad():
        return torch.cat([encoder.embed_images(part.float() / 255).cpu() for part in pixels.split(MEASURED_BATCH)])
