"""Forgetting faces: photos of persons -> a CLIP whose image encoder takes them for the average face, and its figures.

Combines `image_sources`, `average_face`, `image_task` and the loop in `defence.loop`.
"""

from __future__ import annotations

from dataclasses import dataclass

from unlearn.config import ResolvedConfig, Settings
from unlearn.defence.average_face import AverageFace, apart_from_neutral_term, average_face
from unlearn.defence.image_sources import Pictures, generic_images, other_faces
from unlearn.defence.image_task import TrainingPictures, image_task
from unlearn.defence.loop import FineTuned, fine_tune
from unlearn.models.clip import Clip
from unlearn.models.encoders import ImageEncoder
from unlearn.models.images import at_encoder_size
from unlearn.models.worlds import World
from unlearn.photos.face_sets import Faces, require_faces
from unlearn.progress import Report, no_report


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


def read_sources(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Sources:
    """Generic images, faces of other people and the target, as the config says.

    Raises:
        ConfigError, InputError: something is missing or unreadable; says which setting names it.
    """
    average = average_face(original, config, settings, world, report)
    if config.encoder == "both":
        average = apart_from_neutral_term(original, average, config.neutral_term, config.image.target_apart)
    return Sources(
        generic_images(config.image, original.image, world, config.seed),
        other_faces(config.image, original.image, world, config.seed),
        average,
    )


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
    task = image_task(original.image, config.image, config.seed, pictures, sources.average.embedding)
    tuned = fine_tune(original.image, task, config.image, report)
    return ImageDefence(original.with_image(tuned.student), tuned, sources)
