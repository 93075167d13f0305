"""Where the pictures come from that the defence of faces needs besides a person's own photos.

In this order: what a config names, the model set's world, what the server names, and the set's own Stable Diffusion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlearn.config import ForgetConfig, ImageFineTuneConfig, Settings
from unlearn.models.sets import ModelSet
from unlearn.models.worlds import World

N_PORTRAITS = 6  # drawn of a stand-in; more turn the mean by less than 9 degrees
N_SPARE = 4  # more people than are needed, because not everybody can stand in for everybody

Kind = Literal["generic_images", "other_faces", "face_targets", "average_face_photos"]
_OF_WORLD: dict[Kind, str] = {
    "generic_images": "clean_things", "other_faces": "clean_faces", "face_targets": "stand_in_people", "average_face_photos": "clean_faces",
}  # fmt: skip
SERVER_SETTING: dict[Kind, Literal["generic_images", "other_faces", "face_targets"]] = {
    "generic_images": "generic_images", "other_faces": "other_faces", "face_targets": "face_targets", "average_face_photos": "other_faces",
}  # fmt: skip


@dataclass(frozen=True)
class PictureSource:
    """A place of pictures.

    Attributes:
        kind: "named" (a folder, or a column of a data set of the Hub), "world", or "drawn" by the set's Stable Diffusion.
        name: folder or column; empty where there is nothing to name.
    """

    kind: Literal["named", "world", "drawn"]
    name: str = ""


def picture_source(kind: Kind, config: ImageFineTuneConfig, settings: Settings, world: World | None) -> PictureSource:
    """The first place that has such pictures, or "drawn".

    Args:
        kind: what the pictures are for: a field of the config.
        config: of the image encoder.
        settings: of the process, with what the server names.
        world: of the model set.
    """
    if (name := getattr(config, kind)) is not None:
        return PictureSource("named", name)
    if world is not None and getattr(world, _OF_WORLD[kind]) is not None:
        return PictureSource("world")
    if (name := getattr(settings, SERVER_SETTING[kind])) is not None:
        return PictureSource("named", name)
    return PictureSource("drawn")


def needs_other_faces(config: ImageFineTuneConfig) -> bool:
    """Whether the fine-tuning looks at faces of other people."""
    return config.bystander_share + config.plain_bystander_share > 0


def n_drawn(config: ForgetConfig, model_set: ModelSet, settings: Settings) -> int:
    """How many pictures the set's Stable Diffusion draws for a run's defence of faces, if none of them is kept from an earlier one."""
    image = config.image or model_set.image
    if config.encoder == "text" or model_set.world is not None:
        return 0
    numbers: dict[Kind, int] = {"generic_images": image.n_drawn_images}
    if needs_other_faces(image):
        numbers["other_faces"] = image.n_drawn_faces
    if config.target == "stand_in":
        numbers["face_targets"] = N_PORTRAITS * (len(config.persons) + N_SPARE)
    else:
        numbers["average_face_photos"] = image.n_average_faces
    return sum(n for kind, n in numbers.items() if picture_source(kind, image, settings, None).kind == "drawn")
