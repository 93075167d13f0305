"""Stand-ins for faces: an anonymous person for every face to be forgotten, as the target of the image defence.

A target is the mean embedding of several photos of ONE person whom the original does not know, and no two persons share one. The
people come from a folder, a data set of the Hub, a model set's world, or from portraits that the set's own Stable Diffusion draws of
unknown names, so that no real person's photo is needed. `face_choice` says who stands in for whom. Knows encoders, worlds, portraits and
folders; no fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ResolvedConfig, Settings
from unlearn.defence.drawn_sources import SOURCE, drawn_people
from unlearn.defence.image_sources import drawing_suite, hub_pixels
from unlearn.errors import ConfigError, InputError
from unlearn.hub import HUB_PREFIX, hub_columns
from unlearn.models.clip import Clip
from unlearn.models.images import embed_images, embed_pixels
from unlearn.models.picture_sources import N_PORTRAITS, N_SPARE, picture_source
from unlearn.models.worlds import World
from unlearn.photos.folders import folder_images
from unlearn.progress import Report, no_report

MIN_PHOTOS = 2  # of a person in a folder: one photo is not a person
MAX_PHOTOS = 20  # of a person in a folder that are looked at
MAX_HUB_PHOTOS = 2000  # of a data set of the Hub that are looked at
FIRST_SEED = 30_000  # of the portraits; far from those that a run shows, and from those of the average face


@dataclass(frozen=True)
class StandInPeople:
    """Anonymous people whom faces can be remapped to: mean embeddings (people, d), where they come from, photos in all."""

    embeddings: Tensor
    source: str
    n_photos: int


def stand_in_people(
    original: Clip, config: ResolvedConfig, settings: Settings, world: World | None, report: Report = no_report
) -> StandInPeople:
    """The people to choose the stand-ins of a run among; at least one for each person of the config.

    Args:
        original: whose image encoder and, where there are no photos, Stable Diffusion are used.
        config: of the run, complete.
        settings: device, folders.
        world: of the set.
        report: progress of drawing, where that is needed.

    Raises:
        ConfigError: there is no source, or the world has too few people.
        InputError: the folder or data set cannot be used, or holds fewer people than are to be forgotten.
    """
    n_persons, source = len(config.persons), picture_source("face_targets", config.image, settings, world)
    if source.kind == "named":
        if source.name.startswith(HUB_PREFIX):
            return _people(original, _hub_people(source.name, n_persons), "people of a data set of the Hub")
        return _people(original, _folder_people(Path(source.name), n_persons), "people of a folder")
    if source.kind == "world":
        assert world is not None and world.stand_in_people is not None
        if len(world.stand_in_people) < n_persons:
            raise ConfigError(
                f"The set's world has {len(world.stand_in_people)} anonymous people for {n_persons} faces; name a folder with a "
                "sub-folder for each of more people with --image face_targets=FOLDER (the setting face_targets)."
            )
        return _people(original, list(world.stand_in_people), "anonymous people of the set's world")
    suite = drawing_suite(original, settings, "face_targets", "photos of anonymous people as stand-ins")
    drawn = drawn_people(suite, config, n_persons + N_SPARE, range(FIRST_SEED, FIRST_SEED + N_PORTRAITS), report)
    means = [mean_direction(embed_pixels(original.image, portraits)) for portraits in drawn]
    return StandInPeople(torch.stack(means), f"portraits of unknown names, {SOURCE}", drawn.shape[0] * drawn.shape[1])


def _people(original: Clip, people: Sequence[Any], source: str) -> StandInPeople:
    """From photos uint8 (height, width, 3) of each person."""
    means = [mean_direction(embed_images(original.image, photos)) for photos in people]
    return StandInPeople(torch.stack(means), source, sum(len(photos) for photos in people))


def mean_direction(embeddings: Tensor) -> Tensor:
    """The mean (d,) of embeddings (n, d) of unit length."""
    return functional.normalize(embeddings, dim=-1).mean(dim=0)


def _folder_people(folder: Path, n_persons: int) -> list[list[np.ndarray]]:
    """The photos of each person of a folder, a sub-folder each."""
    if not folder.is_dir():
        raise InputError("The folder of stand-ins' faces (face_targets) does not exist; check the path.")
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(inner) < n_persons:
        raise InputError(
            f"The folder of stand-ins' faces (face_targets) has {len(inner)} sub-folders for {n_persons} faces to be forgotten; "
            "give it a sub-folder with photos of one person for each of them."
        )
    people = [
        list(folder_images(path, MAX_PHOTOS, f"stand-in's faces {number}", 0)) for number, path in enumerate(inner, start=1)
    ]
    for number, photos in enumerate(people, start=1):
        if len(photos) < MIN_PHOTOS:
            raise InputError(f"Sub-folder {number} of the stand-ins' faces (face_targets) has one photo; give at least {MIN_PHOTOS}.")
    return people


def _hub_people(source: str, n_persons: int) -> list[list[np.ndarray]]:
    """The photos of each person in a column of images, told apart by a second column."""
    people: dict[Any, list[np.ndarray]] = {}
    for value, person in islice(hub_columns(source, "images and people", 2), MAX_HUB_PHOTOS):
        photos = people.setdefault(person, [])
        if len(photos) < MAX_PHOTOS:
            photos.append(hub_pixels(value, source))
    several = [photos for photos in people.values() if len(photos) >= MIN_PHOTOS]
    if len(several) < n_persons:
        raise InputError(
            f"The data set of stand-ins' faces (face_targets) has {len(several)} people with {MIN_PHOTOS} photos or more for {n_persons} "
            "faces to be forgotten; name another."
        )
    return several
