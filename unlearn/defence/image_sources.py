"""The pictures that the image defence needs besides a person's: generic images and faces of other people.

They come from a model set's world, from a folder or, for generic images, from a data set of the Hub. No picture is used both for
training and for measuring.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn.config import ImageFineTuneConfig
from unlearn.errors import ConfigError, InputError
from unlearn.hub import HUB_PREFIX, hub_column
from unlearn.models.encoders import ImageEncoder
from unlearn.models.images import at_encoder_size
from unlearn.models.worlds import World
from unlearn.photos.folders import folder_images

MEASURED_SHARE = 10  # one in so many images of a folder or data set is kept for measuring
MAX_MEASURED = 200


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


def generic_images(config: ImageFineTuneConfig, encoder: ImageEncoder, world: World | None, seed: int) -> Pictures:
    """The clean images.

    Raises:
        ConfigError: the set has no world and the setting names none.
        InputError: the folder or data set cannot be read, or has fewer than ten images.
    """
    if config.generic_images is None:
        if world is None or world.clean_things is None:
            raise ConfigError(
                "This model set brings no generic images. Name a folder of everyday photos, or a data set of the Hub as "
                "hub:owner/data-set:column, with --image generic_images=FOLDER (the setting generic_images)."
            )
        measured = world.things.images if world.things is not None else None
        return Pictures(
            "things of the set's world", at_encoder_size(encoder, world.clean_things),
            None if measured is None else at_encoder_size(encoder, measured),
        )  # fmt: skip
    if config.generic_images.startswith(HUB_PREFIX):
        images, source = _hub_images(config.generic_images, config.n_generic_images), "a data set of the Hub"
    else:
        images, source = folder_images(Path(config.generic_images), config.n_generic_images, "generic images", seed), "a folder"
    pixels = torch.cat([at_encoder_size(encoder, [image]) for image in images])
    if len(pixels) < 10:
        raise InputError(f"{len(pixels)} generic images were found; give ten or more.")
    return _with_measured(source, pixels)


def other_faces(config: ImageFineTuneConfig, encoder: ImageEncoder, world: World | None, seed: int) -> Pictures | None:
    """Faces of other people; None where the settings give them no share.

    Raises:
        ConfigError: they have a share, but there is neither a world with such faces nor a folder.
    """
    if config.bystander_share + config.plain_bystander_share <= 0:
        return None
    if config.other_faces is not None:
        images = list(folder_images(Path(config.other_faces), config.n_generic_images, "other people's faces", seed))
        return _with_measured("a folder", at_encoder_size(encoder, images))
    if world is None or world.clean_faces is None:
        raise ConfigError(
            "This model set brings no faces of other people. Name a folder with --image other_faces=FOLDER (the setting other_faces), "
            "or set bystander_share and plain_bystander_share to 0."
        )
    return Pictures("anonymous people of the set's world", at_encoder_size(encoder, world.clean_faces), None)


def _with_measured(source: str, pixels: Tensor) -> Pictures:
    """One in ten is kept for measuring."""
    n_measured = min(MAX_MEASURED, len(pixels) // MEASURED_SHARE)
    return Pictures(source, pixels[n_measured:], pixels[:n_measured])


def _hub_images(source: str, most: int) -> Iterator[np.ndarray]:
    for value in islice(hub_column(source, "images"), most):
        if not isinstance(value, Image.Image):
            raise InputError(f"{source!r} is a column of {type(value).__name__}, not of images; name another.")
        try:
            image = value.convert("RGB")
        except OSError as error:  # of pictures that are decoded lazily
            raise InputError(f"A picture of {source!r} cannot be decoded: {error}.") from error
        yield np.asarray(image)
