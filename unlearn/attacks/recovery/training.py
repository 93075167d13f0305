"""Attacks that train on: harmless fine-tuning, after which the defence may wear off, and relearning, whose price is counted in steps."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.recovery.context import Context, Tried
from unlearn.attacks.recovery.scores import MAX_STEPS, TryScore, is_named
from unlearn.attacks.recovery.sight import Sight
from unlearn.models.embeddings import encode, trimmed
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.texts.prompts import fill_all
from unlearn.texts.unseen_sentences import UNSEEN_TEMPLATES

AGES = (10, 30, 60)  # steps of harmless fine-tuning
AGEING_BATCH = 16
TEMPERATURE = 0.05
N_RIVALS = 30  # names that are embedded anew after the fine-tuning
N_CAPTIONS = (1, 3, 10)  # sentences with the name from which it is relearned
N_CLEAN = 8  # captions a step that are to keep their meaning while the person is relearned
AGEING_RATE, UNDOING_RATE = 0.3, 0.03  # of the defence's learning rate


def _trained_copy(encoder: TextEncoder) -> tuple[TextEncoder, list[torch.nn.Parameter]]:
    """A copy whose transformer blocks take gradients, and their parameters."""
    student = copy.deepcopy(encoder)
    student.blocks.requires_grad_(True)
    return student, list(student.blocks.parameters())


def ageing(context: Context) -> Iterator[Tried]:
    """The name after some steps of harmless fine-tuning; the original's score is that of the model as it is."""
    subject = context.subject
    (before,) = subject.sights.original.try_texts([subject.name])
    aged: list[tuple[int, TextEncoder]] = context.shared.setdefault("ageing", [])
    for n_steps, encoder in aged if len(aged) == len(AGES) else _aged(context, aged):
        sight = subject.sights.defended.rebuilt(encoder, subject.sights.defended.near_names(N_RIVALS))
        yield Tried(f"after {n_steps} steps", Pair(before, *sight.try_texts([subject.name])), is_prompt=False)


def _aged(context: Context, kept: list[tuple[int, TextEncoder]]) -> Iterator[tuple[int, TextEncoder]]:
    """(Steps, encoder), which are also put into `kept`.

    It is fine-tuned so that a caption stays near itself with a word left out, and far from others.

    Source: contrastive learning of sentences from their own text (SimCSE; Gao et al. 2021).
    """
    kept.clear()
    student, parameters = _trained_copy(context.subject.sights.defended.encoder)
    optimizer = torch.optim.AdamW(parameters, lr=AGEING_RATE * context.learning_rate, weight_decay=0.0)
    generator = random.Random(f"ageing {context.seed}")
    for step in range(1, max(AGES) + 1):
        context.clock.tick()
        captions = generator.sample(context.captions, min(AGEING_BATCH, len(context.captions)))
        shortened = [_without_a_word(caption, generator) for caption in captions]
        first, second = (functional.normalize(_embedded(student, texts), dim=-1) for texts in (captions, shortened))
        loss = functional.cross_entropy(first @ second.T / TEMPERATURE, torch.arange(len(captions), device=first.device))
        _step(optimizer, loss)
        if step in AGES:
            kept.append((step, copy.deepcopy(student)))
            yield kept[-1]


def _without_a_word(caption: str, generator: random.Random) -> str:
    words = caption.split()
    if len(words) > 1:
        words.pop(generator.randrange(len(words)))
    return " ".join(words)


def undoing(context: Context) -> Iterator[Tried]:
    """Relearning from half of the photos and 1, 3 or 10 sentences; judged by the other half of the photos."""
    subject = context.subject
    halves = subject.sights.map(lambda sight: sight.with_photos(sight.photos[1::2]))
    (before,) = halves.original.try_texts([subject.name])
    known = TryScore(before.recognised, before.correct_templates, before.similarity, steps=0 if is_named(before) else None)
    photos = subject.sights.defended.photos[::2]
    for n_captions in N_CAPTIONS:
        context.clock.tick()
        score = _relearned(context, halves.defended, photos, UNSEEN_TEMPLATES[:n_captions])
        yield Tried(f"{n_captions} caption{'s' * (n_captions > 1)}", Pair(known, score), is_prompt=False)


def _relearned(context: Context, sight: Sight, photos: Tensor, sentences: Sequence[str]) -> TryScore:
    """Fine-tune until the person is found; `steps` is None where that takes more than `MAX_STEPS`.

    Args:
        sight: of the photos by which it is judged; the rivals keep the embeddings that the defended encoder gave them.
        photos: (images, d) to learn from.
        sentences: with {0} in the name's place, to learn from.
    """
    name = context.subject.name
    student, parameters = _trained_copy(sight.encoder)
    optimizer = torch.optim.AdamW(parameters, lr=UNDOING_RATE * context.learning_rate, weight_decay=0.0)
    target = functional.normalize(photos.mean(dim=0), dim=0).to(student.device)
    captions = fill_all(sentences, [name])
    generator = random.Random(f"undoing {context.seed}")
    for step in range(MAX_STEPS + 1):
        (score,) = sight.with_encoder(student).try_texts([name])
        if is_named(score) or step == MAX_STEPS:
            break
        context.clock.tick()
        clean = generator.sample(context.captions, min(N_CLEAN, len(context.captions)))
        kept = functional.normalize(encode(sight.encoder, clean), dim=-1).to(student.device)
        embedded = functional.normalize(_embedded(student, [*captions, *clean]), dim=-1)
        loss = (1.0 - embedded[: len(captions)] @ target).mean() + (1.0 - (embedded[len(captions) :] * kept).sum(dim=-1)).mean()
        _step(optimizer, loss)
    return TryScore(score.recognised, score.correct_templates, score.similarity, steps=step if is_named(score) else None)


def _embedded(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    return encoder.embed_texts(trimmed(encoder, encoder.tokenize(texts)))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    cast(Any, loss).backward()
    optimizer.step()
