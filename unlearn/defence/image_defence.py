"""Forgetting faces: photos of persons -> a CLIP whose image encoder takes them for somebody else, and its figures.

Each face is remapped to a stand-in of its own, or all to the average face (the paper's). Combines `image_sources`,
`face_stand_ins`, `average_face`, `image_task` and the loop in `defence.loop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unlearn.config import ResolvedConfig, Settings
from unlearn.defence.average_face import AverageFace, average_face
from unlearn.defence.face_choice import chosen_stand_ins
from unlearn.defence.face_stand_ins import StandInPeople, mean_direction, stand_in_people
from unlearn.defence.image_sources import Pictures, generic_images, other_faces
from unlearn.defence.image_task import TrainingPictures, image_task
from unlearn.defence.loop import FineTuned, fine_tune
from unlearn.models.clip import Clip
from unlearn.models.encoders import ImageEncoder
from unlearn.models.images import at_encoder_size, embed_pixels
from unlearn.models.picture_sources import Kind, picture_source
from unlearn.models.worlds import World
from unlearn.photos.face_sets import Faces, require_faces
from unlearn.progress import Report, no_report, part_of


@dataclass(frozen=True)
class Sources:
    """What a defence is made with besides the persons' photos.

    Attributes:
        generic, others: clean images.
        target: the one target of all faces, or the people among whom each gets a stand-in of its own.
    """

    generic: Pictures
    others: Pictures | None
    target: AverageFace | StandInPeople


@dataclass(frozen=True)
class ImageDefence:
    """The outcome: a CLIP with the defended image encoder, how it was tuned, with what, and each person's target (persons, d)."""

    defended: Clip
    tuned: FineTuned[ImageEncoder]
    sources: Sources
    targets: Tensor


def read_sources(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Sources:
    """Generic images, faces of other people, and the average face or people for stand-ins; what has to be drawn comes last.

    Raises:
        ConfigError, InputError: something is missing or unreadable; says which setting names it.
    """
    stands_in = config.target == "stand_in"
    readers: dict[Kind, Any] = {
        "generic_images": generic_images, "other_faces": other_faces,
        "face_targets" if stands_in else "average_face_photos": stand_in_people if stands_in else average_face,
    }  # fmt: skip
    drawn = [kind for kind in readers if picture_source(kind, config.image, settings, world).kind == "drawn"]
    order = [kind for kind in readers if kind not in drawn] + drawn
    pictures = {
        kind: readers[kind](original, config, settings, world, part_of(report, number, len(order))) for number, kind in enumerate(order)
    }
    return Sources(*(pictures[kind] for kind in readers))


def defend_image(
    original: Clip, config: ResolvedConfig, faces: Faces, sources: Sources, report: Report = no_report
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
    require_faces(config.persons, faces)
    crops = [at_encoder_size(original.image, list(faces[person.name].fine_tuning)) for person in config.persons]
    others = sources.others.pixels if sources.others is not None else None
    pictures = TrainingPictures(sources.generic.pixels, crops, others)
    targets = _targets(original, config, crops, sources.target)
    task = image_task(original.image, config.image, config.seed, pictures, targets)
    tuned = fine_tune(original.image, task, config.image, report)
    return ImageDefence(original.with_image(tuned.student), tuned, sources, targets)


def _targets(original: Clip, config: ResolvedConfig, crops: Sequence[Tensor], target: AverageFace | StandInPeople) -> Tensor:
    """What each person's face is remapped to (persons, d)."""
    if isinstance(target, AverageFace):
        return target.embedding.expand(len(crops), -1)
    faces = torch.stack([mean_direction(embed_pixels(original.image, pixels)) for pixels in crops])
    return target.embeddings[chosen_stand_ins(original.text, config, faces, target.embeddings)]
