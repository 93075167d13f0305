"""What an opened data set is: classes, templates, and pictures that come one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from unlearn.config.zero_shot import DataSetName
from unlearn.errors import InputError
from unlearn.photos.reader import SUFFIXES, read_photo

MAX_IMAGES = 10_000  # as many as ImageNet-V2 and CIFAR's test parts have; of larger data sets equal numbers of a class

Picture = tuple[int, np.ndarray | None]  # number of the class, and uint8 (height, width, 3); None: it cannot be read


@dataclass(frozen=True)
class DataSet:
    """A data set whose layout has been recognised.

    Attributes:
        name: which one.
        kinds: its classes, as they are called in texts, in the order of their numbers.
        pictures: reads them, of at most so many MB each.
        n_images: pictures to come; None: only known at their end.
        warnings: sentences about what is left out.
    """

    name: DataSetName
    kinds: tuple[str, ...]
    pictures: Callable[[int], Iterator[Picture]]
    n_images: int | None = None
    warnings: tuple[str, ...] = ()


def of_files(name: DataSetName, kinds: Sequence[str], files: Sequence[tuple[int, Path]]) -> DataSet:
    """A data set of picture files, each with the number of its class.

    Of more than 10,000 equal numbers of a class are used, drawn in the same way every time.

    Raises:
        InputError: no file.
    """
    if not files:
        raise InputError(f"The folder of {name} holds no picture ({', '.join(SUFFIXES[:2])} and so on); unpack the whole data set there.")
    used, warnings = list(files), tuple[str, ...]()
    if len(files) > MAX_IMAGES:
        used = _equal_numbers(name, files, MAX_IMAGES // len({label for label, _ in files}))
        warnings = (f"{name}: {len(used):,} of its {len(files):,} pictures were used, the same ones in every run.",)
    return DataSet(name, tuple(kinds), partial(_read, used), len(used), warnings)


def of_arrays(name: DataSetName, kinds: Sequence[str], labels: Sequence[int], pixels: np.ndarray) -> DataSet:
    """A data set of pictures uint8 (n, height, width, 3) in memory."""
    return DataSet(name, tuple(kinds), lambda max_mb: zip(labels, pixels, strict=True), len(labels))


def _equal_numbers(name: str, files: Sequence[tuple[int, Path]], most: int) -> list[tuple[int, Path]]:
    by_class: dict[int, list[Path]] = {}
    for label, file in files:
        by_class.setdefault(label, []).append(file)
    generator = random.Random(f"pictures of {name}")
    return [(label, file) for label, some in by_class.items() for file in sorted(generator.sample(some, min(most, len(some))))]


def _read(files: Sequence[tuple[int, Path]], max_mb: int) -> Iterator[Picture]:
    for label, file in files:
        try:
            yield label, read_photo(file, max_mb)
        except InputError:
            yield label, None
