"""Attacks that search for a prompt of real words: nearest-word projection, and a concept vector.

Sources of the ideas: hard prompts made easy (PEZ; Wen et al. 2023); Ring-A-Bell (Tsai et al. 2024).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.recovery.context import Context, OutOfTime, Tried, scored_texts
from unlearn.attacks.recovery.soft_tokens import LEARNING_RATE, SEARCH_TEMPLATES
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.soft_tokens import SoftPrompts, known_words, token_vectors
from unlearn.texts.prompts import fill, fill_all

LENGTHS = (2, 2, 4, 4, 6)  # words of each prompt
N_STEPS = 60
STRENGTHS = (0.5, 1.0, 2.0)  # of the concept vector
N_PROMPT_WORDS, POPULATION, N_PARENTS, N_GENERATIONS = 4, 48, 12, 25
CONCEPT_TEMPLATES = ("{0}", "a photo of {0}", "{0} smiling", "{0} in the street", "an interview with {0}", "{0} with friends")
HARMLESS = "a person"


def hard_prompts(context: Context) -> Iterator[Tried]:
    """Real words whose sentences mean, to the attacked encoder, what the original says of the name."""
    name, is_over = context.subject.name, False
    target = functional.normalize(encode(context.models.original.text, fill_all(SEARCH_TEMPLATES, [name])), dim=-1)
    searches = [_Projection(sight.encoder, target, _words(sight.encoder, name), context.seed) for sight in context.subject.sights]
    try:
        for _ in range(N_STEPS):
            context.clock.tick()
            for search in searches:
                search.step()
    except OutOfTime:
        is_over = True
    prompts = dict.fromkeys(prompt for search in searches for prompt in search.prompts if prompt)
    yield from scored_texts(context.subject.sights, list(prompts))
    if is_over:
        raise OutOfTime


def _words(encoder: TextEncoder, name: str) -> dict[int, str]:
    """Number -> text of the words that a prompt may consist of; those of the name are other attacks' business."""
    own = set(name.lower().split())
    return {number: word for number, word in known_words(encoder).items() if word not in own}


class _Projection:
    """Optimises vectors through the words that are nearest to them, and remembers the best words of each try.

    Args:
        encoder: it is not changed.
        target: (templates, d), of unit length.
        words: number -> text of what may be used.
        seed: of the first words.
    """

    def __init__(self, encoder: TextEncoder, target: Tensor, words: dict[int, str], seed: int) -> None:
        self._encoder, self._target = encoder, target.to(encoder.device)
        self._sentences = SoftPrompts(encoder, SEARCH_TEMPLATES, LENGTHS)
        self._texts = list(words.values())
        known = token_vectors(encoder)
        self._known = known[list(words)]
        start = torch.randint(len(words), (sum(LENGTHS),), generator=torch.Generator().manual_seed(seed))
        self._vectors = self._known[start].clone().requires_grad_(True)
        self._optimizer = torch.optim.Adam([self._vectors], lr=LEARNING_RATE * float(known.std()))
        self._best = [(float("inf"), "")] * len(LENGTHS)

    @property
    def prompts(self) -> list[str]:
        """The best prompt of each try."""
        return [text for _, text in self._best]

    def step(self) -> None:
        """One step of the optimiser, with the gradient at the nearest words."""
        nearest = (functional.normalize(self._vectors.detach(), dim=-1) @ functional.normalize(self._known, dim=-1).T).argmax(dim=-1)
        projected = self._known[nearest].clone().requires_grad_(True)
        embedded = functional.normalize(self._sentences.embed(self._encoder, projected), dim=-1)
        losses = (1.0 - (embedded * self._target).sum(dim=-1)).mean(dim=1)  # (tries,)
        (self._vectors.grad,) = torch.autograd.grad(losses.sum(), [projected])
        self._optimizer.step()
        for number, (loss, chosen) in enumerate(zip(losses.tolist(), nearest.split(LENGTHS), strict=True)):
            if loss < self._best[number][0]:
                self._best[number] = loss, " ".join(self._texts[word] for word in chosen.tolist())


def concept_vector(context: Context) -> Iterator[Tried]:
    """What the original puts into the name, added to a harmless prompt; words that mean the sum to the original are tried on both."""
    encoder, name = context.models.original.text, context.subject.name
    embedded = encode(encoder, fill_all(CONCEPT_TEMPLATES, [name, HARMLESS])).view(len(CONCEPT_TEMPLATES), 2, -1)
    concept = (embedded[:, 0] - embedded[:, 1]).mean(dim=0)
    (harmless,) = encode(encoder, [fill("a photo of {0}", HARMLESS)])
    words = list(_words(encoder, name).values())
    generator, prompts, is_over = context.generator(), list[str](), False
    try:
        for strength in STRENGTHS:
            prompts += _evolved(context, functional.normalize(harmless + strength * concept, dim=0), words, generator)
    except OutOfTime:
        is_over = True
    yield from scored_texts(context.subject.sights, list(dict.fromkeys(prompts)))
    if is_over:
        raise OutOfTime


def _evolved(context: Context, target: Tensor, words: Sequence[str], generator: torch.Generator) -> list[str]:
    """The two prompts nearest to the target (d,) after some generations of crossing and mutation."""

    def nearest(population: Tensor) -> Tensor:
        texts = [_text(row, words) for row in population]
        similarities = functional.normalize(encode(context.models.original.text, texts), dim=-1) @ target
        return population[similarities.argsort(descending=True, stable=True)]

    population = torch.randint(len(words), (POPULATION, N_PROMPT_WORDS), generator=generator)
    for _ in range(N_GENERATIONS):
        context.clock.tick()
        parents = nearest(population)[:N_PARENTS]
        pairs = torch.randint(N_PARENTS, (2, POPULATION - N_PARENTS), generator=generator)
        from_first = torch.rand((POPULATION - N_PARENTS, N_PROMPT_WORDS), generator=generator) < 0.5
        children = torch.where(from_first, parents[pairs[0]], parents[pairs[1]])
        is_mutated = torch.rand(children.shape, generator=generator) < 1 / N_PROMPT_WORDS
        children = torch.where(is_mutated, torch.randint(len(words), children.shape, generator=generator), children)
        population = torch.cat([parents, children])
    return [_text(row, words) for row in nearest(population)[:2]]


def _text(row: Tensor, words: Sequence[str]) -> str:
    return " ".join(words[number] for number in row.tolist())
