"""Folders of photos that a user names, read as a whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from unlearn.errors import InputError
from unlearn.photos.reader import SUFFIXES as PHOTO_SUFFIXES
from unlearn.photos.reader import Photo, decode_photo, read_bytes
from unlearn.photos.uploads import UploadLimits, expand_upload


def read_photos(folder: Path, limits: UploadLimits | None = None) -> list[np.ndarray]:
    """The photos of a folder (or zip) in the order of their names: uint8 (height, width, 3) each, turned upright.

    Where the files' names say which photos are for evaluation (the shipped examples), only those are read, because an attack on
    photos that were used for fine-tuning has no meaning.

    Raises:
        InputError: no photo, or one that cannot be read; photos are told by number, because names may be private.
    """
    if not folder.exists():
        raise InputError("The folder of photos does not exist; check the path.")
    limits = limits or UploadLimits()
    upload = expand_upload([folder], limits)
    parts = [source.part for source in upload.sources]
    is_split = None not in parts and len(set(parts)) == 2
    sources = [source for source in upload.sources if not is_split or source.part == "evaluation"]
    if not sources:
        raise InputError(f"The folder of photos holds no photo ({', '.join(PHOTO_SUFFIXES)} are read).")
    reads = [partial(source.read, limits.photo_mb) for source in sources]
    return [_pixels(read, f"Photo {number} of {len(reads)}") for number, read in enumerate(reads, start=1)]


def open_photo(file: Path, what: str) -> np.ndarray:
    """One photo, uint8 (height, width, 3), turned upright; one that cannot be used is an `InputError` about `what`."""
    return _pixels(lambda: decode_photo(read_bytes(file)), what)


def _pixels(read: Callable[[], Photo], what: str) -> np.ndarray:
    try:
        return read().pixels
    except InputError as error:
        raise InputError(f"{what} cannot be used. {error}") from error


def folder_images(folder: Path, most: int, what: str, seed: int) -> Iterator[np.ndarray]:
    """At most so many pictures of a folder and the folders in it, drawn from the seed."""
    if not folder.is_dir():
        raise InputError(f"The folder of {what} does not exist; check the setting.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    if not files:
        raise InputError(f"The folder of {what} holds no picture ({', '.join(PHOTO_SUFFIXES)} are read).")
    random.Random(f"{what} {seed}").shuffle(files)
    for number, file in enumerate(files[:most], start=1):
        yield open_photo(file, f"Picture {number} of the {what}")
