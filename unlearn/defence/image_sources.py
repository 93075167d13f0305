"""The pictures that the image defence needs besides a person's: everyday pictures and faces of other people.

They come from where `models.picture_sources` says: a model set's world, a folder, a data set of the Hub, or the set's own Stable
Diffusion. No picture is used both for training and for measuring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn.config import ResolvedConfig, Settings
from unlearn.defence.drawn_sources import SOURCE, drawn_captions, drawn_faces
from unlearn.errors import ConfigError, InputError
from unlearn.hub import HUB_PREFIX, hub_column
from unlearn.models.clip import Clip
from unlearn.models.encoders import ImageEncoder
from unlearn.models.images import at_encoder_size
from unlearn.models.picture_sources import SERVER_SETTING, Kind, needs_other_faces, picture_source
from unlearn.models.suite import Suite, suite_of
from unlearn.models.worlds import World
from unlearn.photos.folders import folder_images
from unlearn.progress import Report, no_report

MEASURED_SHARE = 10  # one in so many images of a folder or data set is kept for measuring
MAX_MEASURED = 200
MIN_IMAGES = 10
CANNOT_DRAW = (
    "The face defence needs {what}. This model set brings none and has no Stable Diffusion that could draw them. Whoever runs the server "
    "can name {place} with {flag}; on the command line it is --image {field}=FOLDER. Defending the name alone needs none."
)


@dataclass(frozen=True)
class Pictures:
    """Pictures at an encoder's size.

    Attributes:
        source: where they come from, in words.
        pixels: uint8 (n, 3, side, side), to train with.
        measured: uint8 (m, 3, side, side) of the same kind, never trained with; None: there are none.
    """

    source: str
    pixels: Tensor
    measured: Tensor | None = None


def generic_images(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Pictures:
    """The clean images.

    Args:
        original: at the size of whose image encoder they are, and whose set's Stable Diffusion draws them where nothing else is there.
        config: of the run, complete.
        settings: device, folders, sources that the server names.
        world: of the set.
        report: progress of drawing, where that is needed.

    Raises:
        ConfigError: there is no source.
        InputError: the folder or data set cannot be read, or has fewer than ten images.
    """
    source, encoder = picture_source("generic_images", config.image, settings, world), original.image
    if source.kind == "world":
        assert world is not None
        measured = world.things.images if world.things is not None else None
        return Pictures(
            "things of the set's world", at_encoder_size(encoder, world.clean_things),
            None if measured is None else at_encoder_size(encoder, measured),
        )  # fmt: skip
    if source.kind == "drawn":
        drawn = drawing_suite(original, settings, "generic_images", "everyday pictures")
        return _with_measured(f"pictures of captions, {SOURCE}", drawn_captions(drawn, config, report))
    return _named(source.name, config, encoder, "generic images")


def other_faces(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> Pictures | None:
    """Faces of other people; None where the settings give them no share and nobody names any. Arguments as of `generic_images`.

    Raises:
        ConfigError: they have a share, but there is no source.
        InputError: the folder or data set cannot be read, or has fewer than ten images.
    """
    source, encoder = picture_source("other_faces", config.image, settings, world), original.image
    if source.kind == "named":
        return _named(source.name, config, encoder, "other people's faces")
    if not needs_other_faces(config.image):
        return None
    if source.kind == "world":
        assert world is not None
        return Pictures("anonymous people of the set's world", at_encoder_size(encoder, world.clean_faces), None)
    drawn = drawing_suite(original, settings, "other_faces", "faces of other people")
    return _with_measured(f"portraits of unknown names, {SOURCE}", drawn_faces(drawn, config, report))


def drawing_suite(original: Clip, settings: Settings, kind: Kind, what: str) -> Suite:
    """The suite whose Stable Diffusion draws what no other source has.

    Raises:
        ConfigError: it has none; `what` says what is missing.
    """
    if original.hidden is None or original.model_set.diffusion is None:
        place = "a folder with a sub-folder for each of several people" if kind == "face_targets" else "a folder or a column of the Hub"
        raise ConfigError(CANNOT_DRAW.format(what=what, place=place, flag=f"--{SERVER_SETTING[kind].replace('_', '-')}", field=kind))
    return suite_of(original.model_set.name, settings)


def named_images(source: str, most: int, what: str, seed: int) -> Iterator[np.ndarray]:
    """At most so many pictures of a folder or of a column of the Hub, uint8 (height, width, 3).

    Raises:
        InputError: the folder or data set cannot be read.
    """
    return hub_images(source, most) if source.startswith(HUB_PREFIX) else folder_images(Path(source), most, what, seed)


def hub_images(source: str, most: int) -> Iterator[np.ndarray]:
    """The first pictures of a column of the Hub."""
    for value in islice(hub_column(source, "images"), most):
        yield hub_pixels(value, source)


def hub_pixels(value: Any, source: str) -> np.ndarray:
    """A value of such a column as uint8 (height, width, 3)."""
    if not isinstance(value, Image.Image):
        raise InputError(f"{source!r} is a column of {type(value).__name__}, not of images; name another.")
    try:
        return np.asarray(value.convert("RGB"))
    except OSError as error:  # of pictures that are decoded lazily
        raise InputError(f"A picture of {source!r} cannot be decoded: {error}.") from error


def _named(name: str, config: ResolvedConfig, encoder: ImageEncoder, what: str) -> Pictures:
    images = named_images(name, config.image.n_generic_images, what, config.seed)
    pixels = [at_encoder_size(encoder, [image]) for image in images]
    if len(pixels) < MIN_IMAGES:
        raise InputError(f"{len(pixels)} {what} were found; give ten or more.")
    return _with_measured("a data set of the Hub" if name.startswith(HUB_PREFIX) else "a folder", torch.cat(pixels))


def _with_measured(source: str, pixels: Tensor) -> Pictures:
    """One in ten is kept for measuring."""
    n_measured = min(MAX_MEASURED, len(pixels) // MEASURED_SHARE)
    return Pictures(source, pixels[n_measured:], pixels[:n_measured])


