"""The identity inference attack: similarities -> majority vote per template -> verdict, for many persons.

Works on embeddings alone. Source: Hintersdorf et al. 2022, with the settings of Hintersdorf et al. 2024 (section 4 and
appendix A.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.figures import DRAWN
from unlearn.config import IdiaConfig
from unlearn.errors import InputError
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill_all

MAX_SIMILARITIES = 30_000_000  # numbers held at once (120 MB); persons are attacked in groups that fit


@dataclass(frozen=True)
class TemplateVote:
    """One template's majority vote.

    Attributes:
        template: with {0} in the name's place.
        majority_name: the name that most photos were given; None for a tie.
        share: its share of the photos (of a tie: of each of the tied names).
        correct: whether it is the person's name.
    """

    template: str
    majority_name: str | None
    share: float
    correct: bool


@dataclass(frozen=True)
class IdiaOutcome:
    """The attack on one person.

    Attributes:
        name: the real name.
        templates: one vote a template; empty where the person was not attacked.
        n_images: photos used; 0 where there were too few and the person was not attacked.
        recognised: the verdict "was in the training data"; None where not attacked.
        is_drawn: whether the pictures are no photos, but were drawn by the original model.
    """

    name: str
    templates: tuple[TemplateVote, ...]
    n_images: int
    recognised: bool | None
    is_drawn: bool = False

    @property
    def correct_templates(self) -> int | None:
        """Number of templates that named the person; None where not attacked."""
        return None if self.recognised is None else sum(vote.correct for vote in self.templates)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with `correct_templates`."""
        values = {**asdict(self), "correct_templates": self.correct_templates}
        return {**values, "photos": DRAWN} if values.pop("is_drawn") else values


def idia_prompts(candidates: Sequence[str], templates: Sequence[str] = PROMPT_TEMPLATES) -> list[str]:
    """All filled-in templates, template-major; what has to be embedded for `attack`."""
    return fill_all(templates, candidates)


def attack(
    photos: dict[str, Tensor],
    prompt_embeddings: Tensor,
    candidates: Sequence[str],
    config: IdiaConfig,
    templates: Sequence[str] = PROMPT_TEMPLATES,
) -> list[IdiaOutcome]:
    """Attack every person.

    Args:
        photos: real name -> (photos, d) image embeddings, normalised or not; the first `config.n_images` are
            used, and a person with fewer is not attacked.
        prompt_embeddings: (templates * candidates, d) embeddings of `idia_prompts`, normalised or not.
        candidates: the K names; every key of `photos` is among them.
        config: number of photos and the bar for the verdict.
        templates: as given to `idia_prompts`.

    Returns:
        One outcome a person, in the order of `photos`.

    Raises:
        InputError: a person is not among the candidates, or the sizes do not fit.
    """
    if len(prompt_embeddings) != len(templates) * len(candidates):
        raise InputError(f"{len(prompt_embeddings)} embeddings for {len(templates)} templates x {len(candidates)} names.")
    if missing := len(photos.keys() - set(candidates)):
        raise InputError(f"{missing} persons are not among the candidate names; add them.")
    prompts = functional.normalize(prompt_embeddings.float(), dim=-1).view(len(templates), len(candidates), -1)
    attacked = [name for name, images in photos.items() if len(images) >= config.n_images]
    outcomes: dict[str, IdiaOutcome] = {}
    n_at_once = max(1, MAX_SIMILARITIES // (config.n_images * len(prompt_embeddings)))
    for start in range(0, len(attacked), n_at_once):
        names = attacked[start : start + n_at_once]
        images = torch.stack([photos[name][: config.n_images] for name in names])
        winners, shares = majority_votes(predicted_names(images, prompts), len(candidates))
        for name, by_template in zip(names, zip(winners.tolist(), shares.tolist(), strict=True), strict=True):
            votes = _votes(*by_template, candidates, templates, name)
            outcomes[name] = _outcome(name, votes, config)
    return [outcomes.get(name, IdiaOutcome(name, (), 0, None)) for name in photos]


def predicted_names(images: Tensor, prompts: Tensor) -> Tensor:
    """The most similar candidate for every photo and template.

    Args:
        images: (persons, images, d).
        prompts: (templates, candidates, d), normalised.

    Returns:
        (persons, images, templates) indices into the candidates. The length of an image embedding does not
        change which candidate is the most similar, but it is normalised all the same.
    """
    directions = functional.normalize(images.float(), dim=-1).to(prompts.device)
    similarities = torch.einsum("pid,tkd->pitk", directions, prompts)  # (persons, images, templates, K)
    return similarities.argmax(dim=-1)


def majority_votes(predictions: Tensor, n_candidates: int) -> tuple[Tensor, Tensor]:
    """Majority vote over the images.

    Args:
        predictions: (persons, images, templates) candidate indices.
        n_candidates: K.

    Returns:
        (persons, templates) index of the unique most frequent candidate, -1 for a tie; and the share of the
        images that the most frequent one has, in 0 to 1.
    """
    by_template = predictions.transpose(1, 2)  # (persons, templates, images)
    counts = torch.zeros(*by_template.shape[:2], n_candidates, device=predictions.device)
    counts.scatter_add_(2, by_template, torch.ones_like(by_template, dtype=counts.dtype))
    top, winners = counts.max(dim=2)
    is_unique = (counts == top.unsqueeze(2)).sum(dim=2) == 1
    return torch.where(is_unique, winners, -1), top / predictions.shape[1]


def _outcome(name: str, votes: tuple[TemplateVote, ...], config: IdiaConfig) -> IdiaOutcome:
    n_correct = sum(vote.correct for vote in votes)
    return IdiaOutcome(name, votes, config.n_images, n_correct >= config.min_correct_templates)


def _votes(
    winners: list[int], shares: list[float], candidates: Sequence[str], templates: Sequence[str], name: str
) -> tuple[TemplateVote, ...]:
    votes = []
    for template, winner, share in zip(templates, winners, shares, strict=True):
        majority = candidates[winner] if winner >= 0 else None
        votes.append(TemplateVote(template, majority, share, majority == name))
    return tuple(votes)
