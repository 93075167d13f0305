"""The attack on a model between an original and a defended one, for a few hundred prompts instead of all 21,000.

Between the two ends the embedding of a prompt moves little and nearly on a straight line. So the line tells which names come near a
photo, and these are embedded by the model itself, as are the attacked names. All other names stay on the line: they are too far from
the photos for the difference to matter, which tests compare with the embedding of everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.gallery import Gallery
from unlearn.models.embeddings import encode
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair
from unlearn.texts.prompts import PROMPT_TEMPLATES, fill

N_NEAREST = 3  # names a photo and template that the model embeds itself


def interpolated_prompts(encoder: TextEncoder, gallery: Gallery, ends: Pair[Tensor], share: float, names: Sequence[str]) -> Tensor:
    """Embeddings (templates * candidates, d) of the attack's prompts, exact where it matters for attacks on some names.

    Args:
        encoder: of the model in between.
        gallery: candidates, and photos as the model in between sees them.
        ends: the embeddings of all prompts by the original and by the defended model.
        share: how far the model is from the original, 0 to 1.
        names: who will be attacked.
    """
    n_candidates = len(gallery.base_names)
    table = torch.lerp(ends.original.float(), ends.defended.float(), share).view(len(PROMPT_TEMPLATES), n_candidates, -1)
    nearest = _nearest(table, gallery, names)  # (templates, candidates)
    candidates = gallery.candidates
    places = nearest.nonzero().tolist()
    if places:
        texts = [fill(PROMPT_TEMPLATES[template], candidates[number]) for template, number in places]
        table[nearest] = encode(encoder, texts)
    return table.flatten(0, 1)


def _nearest(table: Tensor, gallery: Gallery, names: Sequence[str]) -> Tensor:
    """Which prompts (templates, candidates) matter: those of the attacked names, and the nearest ones of each photo and template."""
    prompts = functional.normalize(table, dim=-1)
    attacked = {name for name in names if name in gallery.photos}
    own = torch.tensor([name in attacked for name in gallery.candidates])
    chosen = own.expand(table.shape[:2]).clone()
    for name in attacked:
        photos = functional.normalize(gallery.photos[name].float(), dim=-1)
        similarities = torch.einsum("id,tkd->tik", photos, prompts)  # (templates, images, candidates)
        nearest = similarities.topk(min(N_NEAREST, table.shape[1]), dim=-1).indices
        chosen.scatter_(1, nearest.flatten(1), True)
    return chosen
