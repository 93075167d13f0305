"""What a run measures beside the attack: the three similarities, zero-shot accuracy, predictions, default probes.

Works on an original and a defended CLIP and gives plain values for JSON; shares are fractions, and what was not
measured is None. Knows no files and no schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unlearn.clip import Clip
from unlearn.config import Person
from unlearn.data import generate_captions
from unlearn.embeddings import Kind, encode
from unlearn.encoders import TextEncoder
from unlearn.gallery import Gallery, embed_images
from unlearn.idia import idia_prompts
from unlearn.metrics import mean_similarity, zero_shot
from unlearn.prompts import PROMPT_TEMPLATES, fill, without_triggers
from unlearn.triggers import trigger_pairs
from unlearn.worlds import Things, World

N_CAPTIONS = 1000  # of the similarities of pooled embeddings; the paper takes 10,000, `evaluate` may, too
N_HIDDEN_CAPTIONS = 128  # of those of hidden states, which always cost the full context
THING_TEMPLATES = ("a photo of {0}", "an image of {0}", "{0}")
PREDICTION_TEMPLATE = "a photo of {0}"


def measuring_captions(persons: Sequence[Person], neutral_term: str, seed: int) -> list[str]:
    """Captions without triggers and neutral term; of a seed of their own, so hardly any was trained on."""
    triggers = [trigger for person in persons for trigger in person.triggers]
    found = without_triggers(generate_captions(2 * N_CAPTIONS, seed=10_000 + seed), [*triggers, neutral_term])
    return found[:N_CAPTIONS]


def similarities(
    encoders: tuple[TextEncoder, TextEncoder],
    captions: Sequence[str],
    persons: Sequence[Person],
    neutral_term: str,
    kind: Kind = "pooled",
) -> dict[str, float]:
    """Sim_Clean, Sim_Backdoor and Sim_Target of (original, defended); every trigger gets its share of the captions.

    Source: Hintersdorf et al. 2024, appendix A.3; the same quantities as in `metrics`, from five passes.
    """
    original, defended = encoders
    used = list(captions[:N_HIDDEN_CAPTIONS] if kind == "hidden" else captions)
    triggers = [trigger for person in persons for trigger in person.triggers]
    pairs = [trigger_pairs(used[i :: len(triggers)], name, neutral_term, i) for i, name in enumerate(triggers)]
    triggered = [text for pair in pairs for text in pair.triggered]
    neutral = [text for pair in pairs for text in pair.neutral]
    neutral_now = encode(defended, neutral, kind)
    return {
        "sim_clean": mean_similarity(encode(original, used, kind), encode(defended, used, kind)),
        "sim_backdoor": mean_similarity(encode(defended, triggered, kind), neutral_now),
        "sim_target": mean_similarity(encode(original, neutral, kind), neutral_now),
    }


def utility(original: Clip, defended: Clip, things: Things | None) -> dict[str, float | None]:
    """Zero-shot top-1 and top-5 over the kinds of things, before and after; None where there are no things."""
    row: dict[str, float | None] = {}
    images = embed_images(original.image, things.images) if things is not None else None
    same_images = defended.image is original.image
    for model, clip in (("original", original), ("defended", defended)):
        found = None
        if things is not None and images is not None:
            seen = images if model == "original" or same_images else embed_images(clip.image, things.images)
            found = zero_shot(seen, class_embeddings(clip.text, things.kinds), things.labels)
        row[f"top1_{model}"] = found.top1 if found else None
        row[f"top5_{model}"] = found.top5 if found else None
    return row


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


def predictions(original: Clip, defended: Clip, images: np.ndarray, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Per image uint8 (n, height, width, 3): labels and their probabilities, original and defended."""
    seen = embed_images(original.image, images)
    after = seen if defended.image is original.image else embed_images(defended.image, images)
    pairs = zip(probabilities(original, seen, labels), probabilities(defended, after, labels), strict=True)
    return [{"labels": list(labels), "original": before, "defended": now} for before, now in pairs]


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


class Prober:
    """What texts mean to the original and to the defended model; the costly parts are computed once.

    Args:
        models: (original, defended).
        galleries: photos and candidate names by (original, defended); one and the same where only a text encoder
            was defended.
        prompts: embeddings of the galleries' prompts by (original, defended).
        neutral_term: of the run.
        world: whose names a text may come to mean; None: nobody's.
    """

    def __init__(
        self,
        models: tuple[Clip, Clip],
        galleries: tuple[Gallery, Gallery],
        prompts: tuple[Tensor, Tensor],
        neutral_term: str,
        world: World | None,
    ) -> None:
        self._models = models
        self._galleries = galleries
        self._prompts = prompts
        self._neutral_term = neutral_term
        self._faces = [_mean_faces(gallery) for gallery in galleries] if world is not None else None

    def probe(self, texts: Sequence[str], person_name: str) -> list[dict[str, Any]]:
        """One row a text.

        Returns:
            Rows {text, similarity (original to defended, cosine), original: {...}, defended: {...}}, the inner
            ones {to_neutral (cosine with the neutral term), nearest (whose photos the text is closest to, or None),
            correct_templates (templates by which the text, in the name's place, is found in the person's
            photos; None without photos)}.
        """
        filled = [*texts, self._neutral_term]
        embedded = [functional.normalize(encode(clip.text, filled), dim=-1) for clip in self._models]
        sides = [self._side(number, embedded[number], texts, person_name) for number in (0, 1)]
        return [
            {"text": text, "similarity": float(embedded[0][i] @ embedded[1][i]), "original": one, "defended": other}
            for i, (text, one, other) in enumerate(zip(texts, *sides, strict=True))
        ]

    def _side(self, number: int, embedded: Tensor, texts: Sequence[str], person_name: str) -> list[dict[str, Any]]:
        found = self._correct_templates(number, texts, person_name)
        rows = []
        for i in range(len(texts)):
            nearest = None
            if self._faces is not None:
                names, means = self._faces[number]
                nearest = names[int((means @ embedded[i]).argmax())]
            rows.append(
                {"to_neutral": float(embedded[i] @ embedded[-1]), "nearest": nearest, "correct_templates": found[i]}
            )
        return rows

    def _correct_templates(self, number: int, texts: Sequence[str], person_name: str) -> list[int | None]:
        """Attack the person's photos with each text in place of the name, all other candidates unchanged."""
        gallery = self._galleries[number]
        if person_name not in gallery.photos or person_name not in gallery.candidates:
            return [None] * len(texts)
        changed = encode(self._models[number].text, idia_prompts(texts)).view(len(PROMPT_TEMPLATES), len(texts), -1)
        table = self._prompts[number].view(len(PROMPT_TEMPLATES), len(gallery.base_names), -1).clone()
        place = gallery.candidates.index(person_name)
        counts: list[int | None] = []
        for i in range(len(texts)):
            table[:, place] = changed[:, i]
            (outcome,) = gallery.attack(table.flatten(0, 1), [person_name])
            counts.append(outcome.correct_templates)
        return counts


def _mean_faces(gallery: Gallery) -> tuple[list[str], Tensor]:
    """Everybody with photos, and their mean directions (names, d)."""
    means = [functional.normalize(photos, dim=-1).mean(dim=0) for photos in gallery.photos.values()]
    return list(gallery.photos), functional.normalize(torch.stack(means), dim=-1)
