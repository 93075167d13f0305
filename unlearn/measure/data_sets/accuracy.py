"""Zero-shot accuracy of a CLIP before and after on an opened data set.

A class is the mean direction of the data set's templates filled with its name, as in the published evaluations of CLIP. Pictures are read,
embedded and dropped in batches, so that no more than one batch is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.errors import InputError
from unlearn.measure.data_sets.data_set import DataSet
from unlearn.measure.figures import DataSetAccuracy
from unlearn.measure.zero_shot import zero_shot
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.images import IMAGE_BATCH, embed_images
from unlearn.models.pair import Pair
from unlearn.progress import Progress, Report, no_report
from unlearn.texts.prompts import fill

CLASSES_A_PASS = 50  # with ImageNet's 80 templates 4,000 texts


@dataclass(frozen=True)
class Measured:
    """The accuracy, and sentences about what was left out."""

    accuracy: DataSetAccuracy
    warnings: tuple[str, ...] = ()


def measured_accuracy(
    models: Pair[Clip], data_set: DataSet, templates: tuple[str, ...], max_mb: int, report: Report = no_report
) -> Measured:
    """Top-1 and top-5 of the original and the defended model over the same pictures.

    Args:
        models: original and defended.
        data_set: opened.
        templates: of its classes.
        max_mb: largest picture file that is read.
        report: told about the pictures that are done.

    Raises:
        InputError: no picture can be read.
    """
    embedded, labels, n_unreadable = _embedded(models, data_set, max_mb, report)
    if not labels:
        raise InputError(f"None of the {n_unreadable} pictures of {data_set.name} can be read; unpack the data set again.")
    is_same = models.defended.text is models.original.text
    classes = class_directions(models.original.text, data_set.kinds, templates)
    both = Pair(classes, classes if is_same else class_directions(models.defended.text, data_set.kinds, templates))
    before, after = (zero_shot(images, texts, labels) for images, texts in zip(embedded, both, strict=True))
    assert before is not None and after is not None  # there are labels
    accuracy = DataSetAccuracy(data_set.name, len(labels), len(data_set.kinds), before.top1, before.top5, after.top1, after.top5)
    unreadable = (f"{data_set.name}: {n_unreadable} pictures could not be read and were left out.",) if n_unreadable else ()
    return Measured(accuracy, (*data_set.warnings, *unreadable))


def class_directions(encoder: TextEncoder, kinds: tuple[str, ...], templates: tuple[str, ...]) -> Tensor:
    """One direction (classes, d) a class: the mean of the directions of its filled templates."""
    parts = []
    for start in range(0, len(kinds), CLASSES_A_PASS):
        some = kinds[start : start + CLASSES_A_PASS]
        rows = encode(encoder, [fill(template, kind) for kind in some for template in templates])
        parts.append(functional.normalize(rows, dim=-1).view(len(some), len(templates), -1).mean(dim=1))
    return functional.normalize(torch.cat(parts), dim=-1)


def _embedded(models: Pair[Clip], data_set: DataSet, max_mb: int, report: Report) -> tuple[Pair[Tensor], list[int], int]:
    """Embeddings (n, d) by both image encoders, the labels, and the number of pictures that could not be read."""
    is_same = models.defended.image is models.original.image
    labels: list[int] = []
    parts: Pair[list[Tensor]] = Pair([], [])
    n_seen = 0
    for batch in _batches(data_set, max_mb):
        n_seen += len(batch)
        readable = [(label, pixels) for label, pixels in batch if pixels is not None]
        if readable:
            labels += [label for label, _ in readable]
            pixels = [picture for _, picture in readable]
            parts.original.append(embed_images(models.original.image, pixels))
            if not is_same:
                parts.defended.append(embed_images(models.defended.image, pixels))
        report(Progress(n_seen, max(n_seen, data_set.n_images or 0)))
    if not labels:
        return Pair(torch.empty(0, 0), torch.empty(0, 0)), labels, n_seen
    original = torch.cat(parts.original)
    return Pair(original, original if is_same else torch.cat(parts.defended)), labels, n_seen - len(labels)


def _batches(data_set: DataSet, max_mb: int) -> Iterator[list[tuple[int, np.ndarray | None]]]:
    batch = []
    for picture in data_set.pictures(max_mb):
        batch.append(picture)
        if len(batch) == IMAGE_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
