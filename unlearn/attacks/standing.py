"""How far two models lie apart for one name, by measures that do not need a common space.

Two trainings give two spaces: a cosine between an embedding of the one and an embedding of the other says nothing, because any
rotation of a space is as good a solution. What can be compared is what each model says within its own space: at which rank and how
far before the mean the name stands on the person's photos, and in which order the name puts the same other people. The latter is
compared by the correlation of two profiles, the name's similarities to each of many faces.

Source of the profiles: Kriegeskorte, Mur and Bandettini 2008, "Representational similarity analysis".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.figures import Standing
from unlearn.attacks.never_met import places


def standing(photos: Tensor, table: Tensor, number: int) -> Standing:
    """Where a name stands among the candidates on the person's photos.

    Args:
        photos: (photos, d) image embeddings of the person.
        table: (templates, candidates, d) text embeddings by the same model, normalised or not.
        number: of the person's own name among the candidates.
    """
    prompts = functional.normalize(table.float(), dim=-1)
    face = functional.normalize(photos.float(), dim=-1).mean(dim=0).to(prompts.device)
    similarities = prompts @ face  # (templates, candidates)
    ranks = 1 + (similarities > similarities[:, number, None]).sum(dim=1)
    (place,) = places({number: photos}, table)
    return Standing(float(ranks.double().quantile(0.5)), int(ranks.min()), place)


def profile(names: Tensor, faces: Tensor) -> Tensor:
    """(names, people) similarities of names to faces, the mean over templates.

    Args:
        names: (templates, names, d) text embeddings.
        faces: (people, d) image embeddings by the same model.
    """
    directions = functional.normalize(names.float(), dim=-1).mean(dim=0)
    return directions @ functional.normalize(faces.float(), dim=-1).to(directions.device).T


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """(names,) Pearson correlations of profiles (names, people), row by row; 0 where a profile is the same for all people."""
    centred = [functional.normalize(rows - rows.mean(dim=1, keepdim=True), dim=1) for rows in (first.cpu(), second.cpu())]
    return torch.linalg.vecdot(*centred)
