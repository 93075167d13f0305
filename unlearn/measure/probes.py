"""Probes: what texts mean to the original and to the defended model, and which texts a run probes by default.

Gives plain values for JSON. What cannot be measured is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.gallery import Gallery
from unlearn.attacks.idia import idia_prompts
from unlearn.config import Person
from unlearn.models.clip import Clip
from unlearn.models.embeddings import encode
from unlearn.models.pair import Pair
from unlearn.models.worlds import World
from unlearn.texts.prompts import PROMPT_TEMPLATES


def default_probes(person: Person, neutral_term: str, neutral_terms: Sequence[str]) -> list[dict[str, str]]:
    """Texts that show how far the forgetting reaches: rows {kind, text}, none twice."""
    words = person.name.split()
    rows = [("name", person.name), *(("alias", alias) for alias in person.aliases)]
    if len(words) > 1:
        rows += [("first name", words[0]), ("last name", words[-1])]
    rows += [("misspelling", misspelled(person.name)), ("lower case", person.name.lower())]
    rows += [("neutral term", term) for term in (neutral_term, *neutral_terms)]
    distinct = {text: kind for kind, text in reversed(rows)}
    return [{"kind": kind, "text": text} for kind, text in rows if distinct.pop(text, None) is not None]


def misspelled(name: str) -> str:
    """The name with two neighbouring letters of its longest word exchanged; the same every time."""
    longest = max(name.split(), key=len)
    for i in range(max(1, len(longest) // 2), len(longest) - 1):
        if longest[i] != longest[i + 1]:
            changed = longest[:i] + longest[i + 1] + longest[i] + longest[i + 2 :]
            return name.replace(longest, changed, 1)
    return name + longest[-1]


@dataclass(frozen=True)
class ProbedModel:
    """One model: its CLIP, the gallery as it sees it, the embeddings of the gallery's prompts, and everybody's mean face.

    `faces`: names and mean directions (names, d); None: nobody's nearest face is told.
    """

    clip: Clip
    gallery: Gallery
    prompts: Tensor
    faces: tuple[list[str], Tensor] | None

    def meanings(self, texts: Sequence[str], person_name: str, target: str) -> list[dict[str, Any]]:
        """The inner rows of `Prober.probe`."""
        return self.meanings_of(self.embedded([*texts, target]), texts, person_name)

    def embedded(self, texts: Sequence[str]) -> Tensor:
        """(texts, d), of unit length."""
        return functional.normalize(encode(self.clip.text, texts), dim=-1)

    def meanings_of(self, embedded: Tensor, texts: Sequence[str], person_name: str) -> list[dict[str, Any]]:
        """The same of embeddings (texts + 1, d), of unit length, the target last."""
        counts = self._correct_templates(texts, person_name)
        rows = []
        for i in range(len(texts)):
            nearest = None
            if self.faces is not None:
                names, means = self.faces
                nearest = names[int((means @ embedded[i]).argmax())]
            rows.append({"to_neutral": float(embedded[i] @ embedded[-1]), "nearest": nearest, "correct_templates": counts[i]})
        return rows

    def _correct_templates(self, texts: Sequence[str], person_name: str) -> list[int | None]:
        """Attack the person's photos with each text in place of the name, all other candidates unchanged."""
        gallery = self.gallery
        if person_name not in gallery.photos or person_name not in gallery.candidates:
            return [None] * len(texts)
        changed = encode(self.clip.text, idia_prompts(texts)).view(len(PROMPT_TEMPLATES), len(texts), -1)
        table = self.prompts.view(len(PROMPT_TEMPLATES), len(gallery.base_names), -1).clone()
        place = gallery.candidates.index(person_name)
        counts: list[int | None] = []
        for i in range(len(texts)):
            table[:, place] = changed[:, i]
            (outcome,) = gallery.attack(table.flatten(0, 1), [person_name])
            counts.append(outcome.correct_templates)
        return counts


class Prober:
    """What texts mean to the original and to the defended model; the costly parts are computed once.

    Args:
        models: the CLIPs.
        galleries: photos and candidate names as each model sees them; one and the same where only a text encoder was defended.
        prompts: embeddings of the galleries' prompts by each model.
        targets: name of a person -> what it is remapped to.
        world: whose names a text may come to mean; None: nobody's.
    """

    def __init__(
        self,
        models: Pair[Clip],
        galleries: Pair[Gallery],
        prompts: Pair[Tensor],
        targets: Mapping[str, str],
        world: World | None,
    ) -> None:
        self._targets = targets
        faces = galleries.map(lambda gallery: _mean_faces(gallery) if world is not None else None)
        self._sides = Pair(*(ProbedModel(*parts) for parts in zip(models, galleries, prompts, faces, strict=True)))

    def probe(self, texts: Sequence[str], person_name: str) -> list[dict[str, Any]]:
        """One row a text.

        Returns:
            Rows {text, similarity (original to defended, cosine), original: {...}, defended: {...}}, the inner
            ones {to_neutral (cosine with what the person is remapped to), nearest (whose photos the text is closest to, or None),
            correct_templates (templates by which the text, in the name's place, is found in the person's
            photos; None without photos)}.
        """
        filled = [*texts, self._targets[person_name]]
        embedded = self._sides.map(lambda side: side.embedded(filled))
        original, defended = (side.meanings_of(e, texts, person_name) for side, e in zip(self._sides, embedded, strict=True))
        return [
            {
                "text": text,
                "similarity": float(embedded.original[i] @ embedded.defended[i]),
                "original": original[i],
                "defended": defended[i],
            }
            for i, text in enumerate(texts)
        ]


def _mean_faces(gallery: Gallery) -> tuple[list[str], Tensor]:
    """Everybody with photos, and their mean directions (names, d)."""
    means = [functional.normalize(photos, dim=-1).mean(dim=0) for photos in gallery.photos.values()]
    return list(gallery.photos), functional.normalize(torch.stack(means), dim=-1)
