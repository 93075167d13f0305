"""Whom a forgotten name is wrongly taken for: people whom the model never knew, and who are now "recognised" by it.

A target that lies near unknown faces makes the forgotten name win there, so that forgetting invents recognition. The control
are the unknown names among the candidates, which win a few faces by chance.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.figures import FalseRecall
from unlearn.attacks.idia import majority_votes, predicted_names


def winners(faces: Sequence[Tensor], table: Tensor) -> list[int | None]:
    """The candidate that wins each face: by a majority of the photos for a majority of the templates.

    Args:
        faces: a person each, (photos, d) image embeddings.
        table: (templates, candidates, d) text embeddings, normalised or not.

    Returns:
        Numbers of candidates; None where no candidate has more than half of the templates.
    """
    prompts = functional.normalize(table.float(), dim=-1)
    n_templates, n_candidates = prompts.shape[:2]
    numbers: list[int | None] = [None] * len(faces)
    for n_photos in sorted({len(face) for face in faces}):
        places = [place for place, face in enumerate(faces) if len(face) == n_photos]
        predictions = predicted_names(torch.stack([faces[place] for place in places]), prompts)
        by_template = predictions[:, 0] if n_photos == 1 else majority_votes(predictions, n_candidates)[0]
        for place, votes in zip(places, by_template, strict=True):
            counts = torch.bincount(votes[votes >= 0], minlength=n_candidates)
            if 2 * int(counts.max()) > n_templates:
                numbers[place] = int(counts.argmax())
    return numbers


def false_recall(
    original: Sequence[int | None], defended: Sequence[int | None], forgotten: Collection[int], unknown: Collection[int]
) -> FalseRecall | None:
    """Count the winners of the same faces by the two models.

    Args:
        original, defended: as of `winners`, the same people in the same order; none of them is to be forgotten.
        forgotten: numbers of the candidates that are to be forgotten.
        unknown: numbers of the candidates that nobody bears.

    Returns:
        The counts; None without faces.
    """
    if not original:
        return None

    def recalled(numbers: Sequence[int | None]) -> int:
        return sum(number in forgotten for number in numbers)

    def by_chance(numbers: Sequence[int | None]) -> float | None:
        return sum(number in unknown for number in numbers) / len(unknown) if unknown else None

    return FalseRecall(len(original), recalled(original), recalled(defended), by_chance(original), by_chance(defended))
