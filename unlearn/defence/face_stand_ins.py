"""Stand-ins for faces: an anonymous person for every face to be forgotten, as the target of the image defence.

A target is the mean embedding of several photos of ONE person whom the original does not know, and no two persons share one. The
people come from a folder, from a model set's world, or from portraits that the set's own Stable Diffusion draws of unknown names,
so that no real person's photo is needed. `face_choice` says who stands in for whom. Knows encoders, worlds, portraits and
folders; no fine-tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.config import ResolvedConfig, Settings
from unlearn.defence.stand_ins import unknown_names
from unlearn.errors import ConfigError, InputError
from unlearn.models.clip import Clip
from unlearn.models.diffusion import conditions, draw
from unlearn.models.images import embed_images
from unlearn.models.suite import suite_of
from unlearn.models.worlds import World
from unlearn.photos.folders import folder_images
from unlearn.progress import Report, no_report
from unlearn.texts.prompts import fill
from unlearn.texts.stand_in_names import drawn_names

MIN_PHOTOS = 2  # of a person in a folder: one photo is not a person
MAX_PHOTOS = 20  # of a person in a folder that are looked at
N_PORTRAITS = 6  # drawn of a stand-in; more turn the mean by less than 9 degrees
N_SPARE = 4  # more people than are needed, because not everybody can stand in for everybody
N_DRAWN_EACH = 8  # names drawn for each that is used
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
        ConfigError: no folder, no world and no Stable Diffusion.
        InputError: the folder cannot be used, or holds fewer people than are to be forgotten.
    """
    n_persons = len(config.persons)
    if config.image.face_targets is not None:
        people = _folder_people(Path(config.image.face_targets), n_persons)
        return _people(original, people, "people of a folder")
    if world is not None and world.stand_in_people is not None:
        if len(world.stand_in_people) < n_persons:
            raise ConfigError(
                f"The set's world has {len(world.stand_in_people)} anonymous people for {n_persons} faces; name a folder with a "
                "sub-folder for each of more people with --image face_targets=FOLDER (the setting face_targets)."
            )
        return _people(original, list(world.stand_in_people), "anonymous people of the set's world")
    if original.hidden is None or original.model_set.diffusion is None:
        raise ConfigError(
            "Faces need photos of anonymous people as stand-ins: name a folder with a sub-folder of photos for each of them with "
            "--image face_targets=FOLDER (the setting face_targets), or use a set with a Stable Diffusion, which can draw them."
        )
    return _drawn_people(original, config, settings, report)


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


def _drawn_people(original: Clip, config: ResolvedConfig, settings: Settings, report: Report) -> StandInPeople:
    """From portraits of names that the original does not know, each with several seeds; others than the stand-ins' names."""
    assert original.hidden is not None
    n_names = len(config.persons) + N_SPARE
    given = [name for person in config.remapped for name in (*person.triggers, person.stand_in) if name is not None]
    drawn = drawn_names(N_DRAWN_EACH * n_names, config.seed, given)
    names = unknown_names(drawn, [original.text, original.hidden], config.seed)[:n_names]
    drawing = replace(config.portraits, seeds=tuple(range(FIRST_SEED, FIRST_SEED + N_PORTRAITS)))
    suite = suite_of(original.model_set.name, settings)
    prompts = conditions(original.hidden, [fill(drawing.prompt_template, name) for name in names])
    portraits = draw(suite.diffusion(), prompts, drawing, report)  # (seeds, names, h, w, 3)
    suite.make_room()  # for the fine-tuning that follows
    people = [portraits[:, number] for number in range(len(names))]
    return _people(original, people, "portraits of unknown names by the set's own Stable Diffusion")
