"""Attacks with optimised input: pseudo-tokens whose sentences mean what the original says of the name, or the person's photos.

Source of the idea: textual inversion (Gal et al. 2023), used against concept erasure by Pham et al. 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.recovery.context import Context, OutOfTime, Tried
from unlearn.attacks.recovery.scores import TryScore
from unlearn.attacks.recovery.sight import Sight
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.models.soft_tokens import SoftPrompts, token_vectors
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill_all

SEARCH_TEMPLATES = ("{0}", "a photo of {0}", "{0} at a gala")
LENGTHS = {"quick": (1, 2, 3, 5), "full": (1, 2, 3, 4, 5)}
N_STEPS = {"quick": 30, "full": 60}
PHOTO_LENGTHS, N_PHOTO_STEPS = (1, 2, 4), 40
LEARNING_RATE = 0.6  # in standard deviations of the tokens' vectors


class Search:
    """Optimises pseudo-tokens for one encoder; the tries in it do not depend on each other.

    Args:
        encoder: it is not changed.
        target: (templates or 1, d), of unit length, which the sentences with the pseudo-tokens are to mean.
        lengths: pseudo-tokens of each try.
        seed: of the first vectors.
    """

    def __init__(self, encoder: TextEncoder, target: Tensor, lengths: Sequence[int], seed: int) -> None:
        self._encoder, self._target = encoder, target.to(encoder.device)
        self._prompts = SoftPrompts(encoder, SEARCH_TEMPLATES, lengths)
        self._lengths = lengths
        known = token_vectors(encoder)
        start = torch.randint(len(known), (sum(lengths),), generator=torch.Generator().manual_seed(seed))
        self._vectors = known[start].clone().requires_grad_(True)
        self._optimizer = torch.optim.Adam([self._vectors], lr=LEARNING_RATE * float(known.std()))

    def step(self) -> None:
        """One step of the optimiser."""
        embedded = functional.normalize(self._prompts.embed(self._encoder, self._vectors), dim=-1)  # (tries, templates, d)
        loss = (1.0 - (embedded * self._target).sum(dim=-1)).mean(dim=1).sum()
        (self._vectors.grad,) = torch.autograd.grad(loss, [self._vectors])
        self._optimizer.step()

    @torch.no_grad()
    def scores(self, sight: Sight) -> list[TryScore]:
        """Of the tries as they are now, in all templates of the attack."""
        prompts = SoftPrompts(self._encoder, PROMPT_TEMPLATES, self._lengths)
        return sight.scores(prompts.embed(self._encoder, self._vectors).cpu())


@dataclass(frozen=True)
class _Effort:
    """How much is tried: pseudo-tokens of each try, and steps of the optimiser."""

    lengths: tuple[int, ...]
    n_steps: int


def soft_tokens(context: Context) -> Iterator[Tried]:
    """Pseudo-tokens that give, by the attacked encoder, the original's embedding of the name."""
    name = context.subject.name
    target = functional.normalize(encode(context.models.original.text, fill_all(SEARCH_TEMPLATES, [name])), dim=-1)
    search = _Effort(LENGTHS[context.budget], N_STEPS[context.budget])
    yield from _searched(context, Pair(target, target), context.subject.sights, search)


def soft_tokens_photos(context: Context) -> Iterator[Tried]:
    """Pseudo-tokens towards one half of the photos, judged by the other half."""
    halves = context.subject.sights.map(lambda sight: (sight.photos[::2], sight.with_photos(sight.photos[1::2])))
    targets = halves.map(lambda half: functional.normalize(half[0].mean(dim=0, keepdim=True), dim=-1))
    yield from _searched(context, targets, halves.map(lambda half: half[1]), _Effort(PHOTO_LENGTHS, N_PHOTO_STEPS))


def _searched(context: Context, targets: Pair[Tensor], sights: Pair[Sight], effort: _Effort) -> Iterator[Tried]:
    """Both models in step, so that a search that runs out of time has searched as long on each."""
    is_over = False
    searches = [Search(sight.encoder, target, effort.lengths, context.seed) for sight, target in zip(sights, targets, strict=True)]
    try:
        for _ in range(effort.n_steps):
            context.clock.tick()
            for search in searches:
                search.step()
    except OutOfTime:
        is_over = True
    scores = [search.scores(sight) for search, sight in zip(searches, sights, strict=True)]
    for length, before, after in zip(effort.lengths, *scores, strict=True):
        yield Tried(f"{length} optimised token{'s' * (length > 1)}", Pair(before, after), is_prompt=False)
    if is_over:
        raise OutOfTime
