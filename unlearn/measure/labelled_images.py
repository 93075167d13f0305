"""A folder of labelled images, one sub-folder a class -> the things on which zero-shot accuracy is measured.

`photos.reader` reads them one at a time, and they are kept at the encoder's size. Messages give numbers, never the names of files.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from unlearn.config import ForgetConfig, Settings, clean_name, name_key
from unlearn.errors import InputError
from unlearn.models.encoders import ImageEncoder
from unlearn.models.images import at_encoder_size
from unlearn.models.worlds import Things, World
from unlearn.photos.reader import DEFAULT_MAX_MB
from unlearn.photos.uploads import expand_upload, is_system
from unlearn.progress import Progress, Report, no_report

MAX_PER_CLASS = 50  # pictures; as many as ImageNet's validation set has
MAX_IMAGES = 10_000  # in all, as many as ImageNet-V2 has: 1.5 GB at 224 px; from 201 classes on they are fewer a class
NUMBERED = re.compile(r"n?\d+")  # a class by its number in a list, or in WordNet


@dataclass(frozen=True)
class LabelledImages:
    """What was read, and sentences about what was left out."""

    things: Things
    warnings: tuple[str, ...] = ()


@dataclass
class _Counts:
    unreadable: int = 0
    is_cut: bool = False  # a class had more than are used


def class_folders(folder: Path) -> dict[str, Path]:
    """Label -> sub-folder, in alphabetical order; hidden ones are none. A label is the name with spaces for _ and -.

    Raises:
        InputError: unreadable, fewer than two sub-folders, more than 10,000, or two with the same label.
    """
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir() and not is_system(PurePosixPath(path.name)))
    except OSError as error:
        raise InputError(f"The folder of labelled images cannot be read ({error.strerror}); check the path.") from None
    if not 2 <= len(inside) <= MAX_IMAGES:
        raise InputError(
            f"The folder of labelled images has {len(inside)} sub-folders; give 2 to {MAX_IMAGES}, one a class, named by what it shows."
        )
    what = "name of a sub-folder of the labelled images"
    folder_of = {clean_name(re.sub(r"[_-]+", " ", path.name), what): path for path in inside}
    if len(set(map(name_key, folder_of))) < len(inside):
        raise InputError("Two sub-folders of the labelled images have the same label; join them, or name one in another way.")
    return folder_of


def read_labelled_images(
    folder: Path, encoder: ImageEncoder, max_mb: int = DEFAULT_MAX_MB, report: Report = no_report
) -> LabelledImages:
    """The pictures of all classes at the encoder's size; of a class at most 50, drawn in the same way every time.

    Args:
        folder: one sub-folder a class; a sub-folder without a usable picture is left out, with a warning.
        encoder: whose preprocessing is used.
        max_mb: largest file that is read.
        report: told the number of classes done.

    Raises:
        InputError: no usable picture, or fewer than two classes with some; and as of `class_folders`.
    """
    folders = class_folders(folder)
    most = min(MAX_PER_CLASS, MAX_IMAGES // len(folders))
    images = np.empty((most * len(folders), encoder.image_size, encoder.image_size, 3), dtype=np.uint8)  # memory once it is filled
    labels: list[int] = []
    kinds: list[str] = []
    counts = _Counts()
    for number, (label, path) in enumerate(folders.items()):
        report(Progress(number, len(folders)))
        n_before = len(labels)
        for pixels in _usable(label, path, most, max_mb, counts):
            images[len(labels)] = at_encoder_size(encoder, [pixels])[0].permute(1, 2, 0).numpy()
            labels.append(len(kinds))
        if len(labels) > n_before:
            kinds.append(label)
    if len(kinds) < 2:
        raise InputError(
            f"{len(labels)} labelled images in {len(kinds)} classes can be used ({counts.unreadable} cannot be read); "
            "give a folder with at least 2 sub-folders, one a class, that hold photos themselves."
        )
    things = Things(images[: len(labels)], tuple(labels), tuple(kinds))
    return LabelledImages(things, tuple(_warnings(things, counts, most, len(folders) - len(kinds))))


def measured_things(
    config: ForgetConfig, encoder: ImageEncoder, world: World | None, settings: Settings, report: Report = no_report
) -> tuple[Things | None, tuple[str, ...]]:
    """What a run's zero-shot accuracy is measured on: the config's labelled images, else the things of the set's world; and warnings."""
    if config.labelled_images is None:
        return (world.things if world is not None else None), ()
    labelled = read_labelled_images(Path(config.labelled_images), encoder, settings.max_upload_mb, report)
    return labelled.things, labelled.warnings


def _usable(label: str, folder: Path, most: int, max_mb: int, counts: _Counts) -> Iterator[np.ndarray]:
    """At most `most` pictures of up to `max_mb` MB, uint8 (height, width, 3), in an order that depends on the label alone."""
    waiting = list(expand_upload([folder]).sources)
    random.Random(f"labelled images {label}").shuffle(waiting)
    n_found = 0
    while waiting and n_found < most:
        try:
            pixels = waiting.pop().read(max_mb).pixels
        except InputError:
            counts.unreadable += 1
            continue
        n_found += 1
        yield pixels
    counts.is_cut |= bool(waiting)


def _warnings(things: Things, counts: _Counts, most: int, n_empty: int) -> Iterator[str]:
    if counts.unreadable:
        yield f"Labelled images: {counts.unreadable} could not be read and were left out."
    if n_empty:
        yield f"Labelled images: {n_empty} of the sub-folders held no usable picture and were left out."
    if counts.is_cut:
        yield f"Labelled images: of a class at most {most} were used, the same ones in every run."
    if all(NUMBERED.fullmatch(kind.replace(" ", "")) for kind in things.kinds):
        yield "Labelled images: all sub-folders are named by numbers, which tell a CLIP nothing; name them by what they show."
