"""What is measured: Sim_Clean, Sim_Backdoor, Sim_Target, zero-shot accuracy, collateral, TPR and FNR.

Knows encoders by their protocol and embeddings; no schedule, no files. What cannot be measured is None,
never 0.
Source: Hintersdorf et al. 2024, appendix A.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.embeddings import Kind, encode
from unlearn.encoders import TextEncoder
from unlearn.errors import InputError

SIMILARITY_BATCH = 128  # texts whose hidden states are held at once


def mean_similarity(first: Tensor, second: Tensor) -> float:
    """Mean cosine similarity of n rows and their partners; (n, ...) each, flattened; (d,) is one for all.

    Raises:
        InputError: no rows, or different numbers of rows; no data is not 0.0.
    """
    if len(first) == 0 or (second.dim() > 1 and len(first) != len(second)):
        raise InputError(f"{len(first)} and {len(second)} embeddings cannot be compared one to one.")
    flat = first.flatten(1)
    partner = second.flatten(1) if second.dim() > 1 else second.expand_as(flat)
    return float(functional.cosine_similarity(flat.double(), partner.double(), dim=1).mean())


def _text_similarity(
    one: tuple[TextEncoder, Sequence[str]], other: tuple[TextEncoder, Sequence[str]], kind: Kind
) -> float:
    """Mean cosine between one encoder on its texts and another on its own; hidden states batch by batch."""
    n_texts = len(one[1])
    if n_texts == 0 or n_texts != len(other[1]):
        raise InputError(f"{n_texts} and {len(other[1])} texts cannot be compared one to one.")
    if kind == "pooled":
        return mean_similarity(encode(*one), encode(*other))
    total = 0.0
    for start in range(0, n_texts, SIMILARITY_BATCH):
        rows = slice(start, start + SIMILARITY_BATCH)
        first, second = (encode(encoder, texts[rows], "hidden") for encoder, texts in (one, other))
        total += mean_similarity(first, second) * len(first)
    return total / n_texts


def sim_clean(
    teacher: TextEncoder, student: TextEncoder, captions: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity between original and defended encoder on captions without a trigger (Sim_Clean).

    Args:
        teacher, student: original and defended encoder; neither is changed.
        captions: n >= 1 captions that contain no trigger.
        kind: "pooled" embedding or flattened "hidden" states.

    Returns:
        A mean of n cosines, in [-1, 1]; 1.0 means that nothing else changed.

    Raises:
        InputError: no captions.

    Source: Hintersdorf et al. 2024, appendix A.3, eq. (2).
    """
    return _text_similarity((teacher, captions), (student, captions), kind)


def sim_backdoor(
    student: TextEncoder, triggered: Sequence[str], neutral: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity between trigger captions and their target (Sim_Backdoor), both by the student.

    Args:
        student: the defended encoder; it is not changed.
        triggered: n captions that contain the trigger.
        neutral: the same captions, same order, with the neutral term instead.
        kind: "pooled" embedding or flattened "hidden" states.

    Returns:
        A mean of n cosines, in [-1, 1]; 1.0 means that the trigger is fully remapped.

    Raises:
        InputError: the lists are empty or differ in length.

    Source: Hintersdorf et al. 2024, appendix A.3, eq. (3).
    """
    return _text_similarity((student, triggered), (student, neutral), kind)


def sim_target(
    teacher: TextEncoder, student: TextEncoder, neutral: Sequence[str], kind: Kind = "pooled"
) -> float:
    """Mean cosine similarity of original and defended encoder on captions with the neutral term (Sim_Target).

    Arguments, result and errors as of `sim_clean`. Source: Hintersdorf et al. 2024, appendix A.3, eq. (4).
    """
    return _text_similarity((teacher, neutral), (student, neutral), kind)


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


class Verdict(Protocol):
    """What is needed of an outcome of the attack (`idia.IdiaOutcome`)."""

    @property
    def name(self) -> str: ...

    @property
    def recognised(self) -> bool | None: ...


@dataclass(frozen=True)
class Collateral:
    """What became of persons who were not to be forgotten; counts."""

    n: int
    recognised_original: int
    recognised_defended: int
    wrongly_forgotten: int
    newly_recalled: int
    unchanged: int

    @property
    def kept(self) -> float | None:
        """Share of those recognised before who still are; None where nobody was."""
        if self.recognised_original == 0:
            return None
        return 1.0 - self.wrongly_forgotten / self.recognised_original


def collateral(before: Sequence[Verdict], after: Sequence[Verdict]) -> Collateral:
    """Compare the attack on the same bystanders on the original and on the defended model.

    Raises:
        InputError: not the same persons in the same order.
    """
    pairs = _attacked_pairs(before, after)
    lost = sum(was and not still for was, still in pairs)
    gained = sum(still and not was for was, still in pairs)
    return Collateral(
        n=len(pairs),
        recognised_original=sum(was for was, _ in pairs),
        recognised_defended=sum(still for _, still in pairs),
        wrongly_forgotten=lost,
        newly_recalled=gained,
        unchanged=len(pairs) - lost - gained,
    )


def _attacked_pairs(before: Sequence[Verdict], after: Sequence[Verdict]) -> list[tuple[bool, bool]]:
    if [outcome.name for outcome in before] != [outcome.name for outcome in after]:
        raise InputError("The attacks before and after are not on the same persons in the same order.")
    return [
        (one.recognised, other.recognised)
        for one, other in zip(before, after, strict=True)
        if one.recognised is not None and other.recognised is not None
    ]


def tpr(before: Sequence[Verdict], after: Sequence[Verdict]) -> float | None:
    """Share still recognised after the defence among those recognised before; None where nobody was.

    Raises:
        InputError: not the same persons in the same order.
    """
    still = [after_ for before_, after_ in _attacked_pairs(before, after) if before_]
    return sum(still) / len(still) if still else None


def fnr(before: Sequence[Verdict], after: Sequence[Verdict]) -> float | None:
    """1 - `tpr`; None where nobody was recognised before."""
    share = tpr(before, after)
    return None if share is None else 1.0 - share
