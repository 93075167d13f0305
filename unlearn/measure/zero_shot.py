"""Zero-shot classification by a CLIP: accuracy over things, and shares of labels for a photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.errors import InputError
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.images import embed_images
from unlearn.models.pair import Pair
from unlearn.models.worlds import Things
from unlearn.texts.prompts import fill


@dataclass(frozen=True)
class ZeroShot:
    """Zero-shot accuracy over n labelled images; shares in 0 to 1. `top5`: None for fewer than 5 classes."""

    top1: float
    top5: float | None
    n_images: int


def zero_shot(images: Tensor, classes: Tensor, labels: Sequence[int] | Tensor) -> ZeroShot | None:
    """Accuracy of taking the most similar class (five classes) for every image; None for no images.

    Args:
        images: (n, d) image embeddings.
        classes: (c, d) one text embedding a class.
        labels: n class numbers.

    Raises:
        InputError: sizes or labels do not fit.
    """
    truth = torch.as_tensor(labels)
    if len(truth) != len(images) or (
        len(truth) and not 0 <= int(truth.min()) <= int(truth.max()) < len(classes)
    ):
        raise InputError(f"{len(images)} images, {len(truth)} labels and {len(classes)} classes do not fit.")
    if len(images) == 0:
        return None
    ranked = _cosines(images, classes).topk(min(5, len(classes)), dim=1).indices  # (n, up to 5)
    hits = ranked == truth.to(ranked.device).unsqueeze(1)
    top5 = float(hits.any(dim=1).double().mean()) if len(classes) >= 5 else None
    return ZeroShot(float(hits[:, 0].double().mean()), top5, len(images))


def person_or_thing(images: Tensor, persons: Tensor, things: Tensor) -> float | None:
    """Share of the images whose most similar text is about a person, not about a thing; None for no images.

    A person whose name is forgotten should still be seen as a person.

    Args:
        images: (n, d) image embeddings.
        persons: (p, d) embeddings of texts about persons ("a photo of a person"...).
        things: (t, d) embeddings of texts about things.
    """
    if len(images) == 0:
        return None
    best_person, best_thing = (_cosines(images, texts).max(dim=1).values for texts in (persons, things))
    return float((best_person > best_thing).double().mean())


def _cosines(first: Tensor, second: Tensor) -> Tensor:
    """(n, m) cosine similarities of all pairs."""
    return functional.normalize(first.float(), dim=-1) @ functional.normalize(second.float(), dim=-1).T


THING_TEMPLATES = ("a photo of {0}", "an image of {0}", "{0}")


PREDICTION_TEMPLATE = "a photo of {0}"


def utility(models: Pair[Clip], things: Things | None) -> dict[str, float | None]:
    """Zero-shot top-1 and top-5 over the kinds of things, before and after; None where there are no things."""
    if things is None:
        return {f"top{k}_{side}": None for side in models._fields for k in (1, 5)}
    images = _image_embeddings(models, things.images)
    row: dict[str, float | None] = {}
    for side, clip, embedded in zip(models._fields, models, images, strict=True):
        accuracy = zero_shot(embedded, class_embeddings(clip.text, things.kinds), things.labels)
        row[f"top1_{side}"] = accuracy.top1 if accuracy else None
        row[f"top5_{side}"] = accuracy.top5 if accuracy else None
    return row


def _image_embeddings(models: Pair[Clip], images: np.ndarray) -> Pair[Tensor]:
    """Embeddings (n, d) of images uint8 (n, height, width, 3); computed once where both models have one image encoder."""
    original = embed_images(models.original.image, images)
    is_same = models.defended.image is models.original.image
    return Pair(original, original if is_same else embed_images(models.defended.image, images))


def class_embeddings(encoder: TextEncoder, kinds: Sequence[str]) -> Tensor:
    """One direction (classes, d) a kind: the mean over a few phrasings."""
    nouns = [f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}" for kind in kinds]
    texts = [fill(template, noun) for template in THING_TEMPLATES for noun in nouns]
    rows = functional.normalize(encode(encoder, texts), dim=-1).view(len(THING_TEMPLATES), len(kinds), -1)
    return functional.normalize(rows.mean(dim=0), dim=-1)


def probabilities(clip: Clip, images: Tensor, labels: Sequence[str]) -> list[list[float]]:
    """Zero-shot probabilities (images, labels) of image embeddings (n, d) for "a photo of <label>"."""
    texts = functional.normalize(encode(clip.text, [fill(PREDICTION_TEMPLATE, label) for label in labels]), dim=-1)
    cosines = functional.normalize(images, dim=-1) @ texts.T
    rows: list[list[float]] = (clip.logit_scale * cosines).softmax(dim=-1).tolist()
    return rows


def predictions(models: Pair[Clip], images: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Per image uint8 (n, height, width, 3): labels and their probabilities, original and defended."""
    embedded = _image_embeddings(models, images)
    shares = [probabilities(clip, rows, labels) for clip, rows in zip(models, embedded, strict=True)]
    return [{"labels": list(labels), "original": before, "defended": after} for before, after in zip(*shares, strict=True)]
