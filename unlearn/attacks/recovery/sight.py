"""One model's view of one person: how a try in the name's place fares against all other candidate names.

The identity inference attack with one column exchanged. The best rival of every photo and template is looked up once, so that a
try costs the embedding of its 21 prompts and no pass over a thousand names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.recovery.scores import TryScore
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.progress import Report, no_report
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill_all

BATCH = 64  # texts a pass: few enough for a user's wish to stop to be heard in time


@dataclass(frozen=True, eq=False)
class Sight:
    """What a model sees of a person.

    Attributes:
        encoder: of texts.
        photos: (images, d) embeddings of the person's photos, of unit length.
        names: the candidates.
        table: (templates, names, d) their embeddings, of unit length; persons of a model share it.
        min_correct: templates that suffice for the attack's usual verdict.
        no_rivals: numbers of the candidates that are the person's own names.
        templates: those of the table.
    """

    encoder: TextEncoder
    photos: Tensor
    names: tuple[str, ...]
    table: Tensor
    min_correct: int
    no_rivals: tuple[int, ...] = ()
    templates: tuple[str, ...] = PROMPT_TEMPLATES

    @cached_property
    def _rivals(self) -> tuple[Tensor, Tensor]:
        """(images, templates): similarity of the best rival, and its number."""
        similarities = torch.einsum("id,tkd->itk", self.photos, self.table)
        similarities[..., list(self.no_rivals)] = -torch.inf
        best = similarities.max(dim=-1)
        return best.values, best.indices

    def embed(self, texts: Sequence[str], report: Report = no_report) -> Tensor:
        """(texts, templates, d) embeddings of texts in the name's place."""
        prompts = fill_all(self.templates, texts)
        embedded = encode(self.encoder, prompts, batch_size=BATCH, report=report)
        return embedded.view(len(self.templates), len(texts), -1).transpose(0, 1)

    def votes(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Which templates name the person, and the mean cosines with the photos, each (n, templates).

        As `idia.majority_votes`: a template names the person if the try wins more photos than any single rival does.

        Args:
            embedded: (n, templates, d) of tries, normalised or not.
        """
        rival, number = self._rivals
        similarities = torch.einsum("id,ntd->nit", self.photos, functional.normalize(embedded.float(), dim=-1))
        lost = (similarities <= rival).float()  # (n, images, templates)
        same = (number[:, None] == number[None, :]).float()  # (images, images, templates)
        of_rival = torch.einsum("nit,ijt->njt", lost, same) * lost
        return (1.0 - lost).sum(dim=1) > of_rival.amax(dim=1), similarities.mean(dim=1)

    def scores(self, embedded: Tensor) -> list[TryScore]:
        """The score of each try; `embedded` as of `votes`."""
        correct, similarities = self.votes(embedded)
        counts, means = correct.sum(dim=1).tolist(), similarities.mean(dim=1).tolist()
        return [TryScore(count >= self.min_correct, count, mean) for count, mean in zip(counts, means, strict=True)]

    def try_texts(self, texts: Sequence[str], report: Report = no_report) -> list[TryScore]:
        """The score of each text in the name's place; `report` is called after every pass and may raise."""
        return self.scores(self.embed(texts, report))

    @cached_property
    def _by_nearness(self) -> list[int]:
        """Numbers of the rivals: first those that win photos, then those that come near the photos on average."""
        winners = torch.bincount(self._rivals[1].flatten(), minlength=len(self.names)).float()
        nearness = self.photos.mean(dim=0) @ self.table.mean(dim=0).T
        nearness[list(self.no_rivals)] = -torch.inf
        return [int(number) for number in (winners + nearness).argsort(descending=True, stable=True)]

    def near_names(self, n_names: int) -> tuple[str, ...]:
        """The rivals that matter most."""
        most = len(self.names) - len(self.no_rivals)
        return tuple(self.names[number] for number in self._by_nearness[: min(n_names, most)])

    def with_photos(self, photos: Tensor) -> Sight:
        """The same person by other photos (images, d)."""
        return replace(self, photos=photos)

    def with_encoder(self, encoder: TextEncoder) -> Sight:
        """The same table, against which another encoder's tries are put."""
        return replace(self, encoder=encoder)

    def rebuilt(self, encoder: TextEncoder, names: Sequence[str], templates: tuple[str, ...] | None = None) -> Sight:
        """The same person as another encoder sees it, or in other sentences, against a few rivals only."""
        sentences = templates or self.templates
        embedded = encode(encoder, fill_all(sentences, names), batch_size=BATCH)
        table = functional.normalize(embedded, dim=-1).view(len(sentences), len(names), -1)
        return Sight(encoder, self.photos, tuple(names), table, self.min_correct, (), sentences)
