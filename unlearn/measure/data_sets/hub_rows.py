"""The data sets as columns of the Hugging Face Hub: pictures, and labels as numbers or words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image

from unlearn.config.zero_shot import ZeroShotSource
from unlearn.errors import InputError
from unlearn.hub import hub_labelled
from unlearn.measure.data_sets.class_names import as_words, imagenet_classes, person_name
from unlearn.measure.data_sets.data_set import MAX_IMAGES, DataSet, Picture
from unlearn.photos.reader import BROKEN

PARTS = ("test", "validation", "valid", "val", "train")  # the first that there is is read
N_LOOKED_AT = 200_000  # rows, from which equal numbers of a class are taken


def open_hub(source: ZeroShotSource) -> DataSet:
    """The rows of two columns; nothing but the first row is read before the accuracy is measured.

    Raises:
        InputError: no such data set or columns, no network, or labels whose names the data set does not tell.
    """
    named, rows = hub_labelled(source.source, f"pictures of {source.data_set}", PARTS)
    first = next(rows, None)
    if first is None:
        raise InputError(f"The Hub data set named for {source.data_set} has no rows; name another.")
    _pixels(first[0], source)
    if source.data_set == "imagenet-v2":
        named = imagenet_classes()  # in the order of the numbers; the names on the Hub are lists of synonyms
    if named is None:
        raise InputError(f"The Hub data set named for {source.data_set} does not tell the names of its labels; name another, or a folder.")
    written = person_name if source.data_set == "facescrub" else as_words
    kinds = tuple(named) if source.data_set == "imagenet-v2" else tuple(written(name) for name in named)
    return DataSet(source.data_set, kinds, lambda max_mb: _taken(chain([first], rows), source, len(kinds)))


def _taken(rows: Iterator[tuple[Any, Any]], source: ZeroShotSource, n_classes: int) -> Iterator[Picture]:
    """At most 10,000 pictures, of each class equal numbers at most."""
    taken: Counter[int] = Counter()
    for number, (picture, label) in enumerate(rows):
        if number == N_LOOKED_AT or taken.total() == MAX_IMAGES:
            return
        if not isinstance(label, int) or not 0 <= label < n_classes:
            raise InputError(f"A label of the Hub data set named for {source.data_set} is no number of a class; name another column.")
        if taken[label] < -(-MAX_IMAGES // n_classes):
            taken[label] += 1
            yield label, _pixels(picture, source)


def _pixels(value: Any, source: ZeroShotSource) -> np.ndarray | None:
    """uint8 (height, width, 3); None for a picture that cannot be decoded."""
    if not isinstance(value, Image.Image):
        raise InputError(f"The Hub data set named for {source.data_set} has no pictures in this column; name another.")
    try:
        return np.asarray(value.convert("RGB"))
    except BROKEN:
        return None
