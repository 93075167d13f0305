"""Who was forgotten? An attack on the defended text encoder that is given a list of names and asks which of them was remapped.

Blind: the defended encoder alone. The attacker orders the list by each sign that a remapped name may bear, and the sign that puts a
forgotten name first counts, which is generous to the attacker: nobody tells which sign that is. With the original beside it the
attacker orders the list by how far each name moved, which always finds what was remapped; only decoys hide a name there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.figures import Trace


def _directions(table: Tensor) -> Tensor:
    return functional.normalize(table.float(), dim=-1)


def signs(table: Tensor, terms: Tensor, misspelled: Tensor, template: int) -> dict[str, Tensor]:
    """What may give a remapped name away, each (names,); the more, the more suspicious.

    Args:
        table: (templates, names, d) embeddings by the defended encoder, neither centred nor normalised.
        terms: (templates, terms, d) of neutral terms, equal templates.
        misspelled: (names, d) of the names with a slip of the pen, in one of the templates.
        template: the number of that one.

    Returns:
        "neutral": cosine with the nearest neutral term (the paper's target). "twin": cosine with the nearest other name (a target that
        stands in the list). "edge": how far a misspelling moves the name (a trigger acts on the exact spelling). "template":
        how much the name depends on the template (fine-tuning saw some of them only). "length": length of the embedding,
        which no loss on directions holds, and "shortness". "outlier": distance from the mean of all names.
    """
    directions = _directions(table)
    means = functional.normalize(directions.mean(dim=0), dim=-1)
    others = means @ means.T
    others.fill_diagonal_(-1.0)
    own = functional.normalize(directions - directions.mean(dim=1, keepdim=True), dim=-1)  # without what the template says
    steady = functional.normalize(own.mean(dim=0), dim=-1)
    length = table.float().norm(dim=-1).mean(dim=0)
    return {
        "neutral": torch.einsum("tkd,tnd->kn", directions, _directions(terms)).amax(dim=1) / len(table),
        "twin": others.amax(dim=1),
        "edge": 1.0 - (directions[template] * _directions(misspelled)).sum(dim=-1),
        "template": 1.0 - (own * steady).sum(dim=-1).mean(dim=0),
        "length": length,
        "shortness": -length,
        "outlier": 1.0 - means @ functional.normalize(means.mean(dim=0), dim=0),
    }


def movement(original: Tensor, defended: Tensor) -> Tensor:
    """How far each name moved, (names,): 1 - cosine, mean over the templates; tables (templates, names, d)."""
    return 1.0 - (_directions(original) * _directions(defended)).sum(dim=-1).mean(dim=0)


def ranks(score: Tensor) -> Tensor:
    """The place of each entry when the highest comes first, (n,) from 1; equal entries share the mean of their places' range."""
    ordered = score.sort().values
    n_behind, n_up_to = (torch.searchsorted(ordered, score, right=right) for right in (False, True))
    return len(score) - n_up_to + (n_up_to - n_behind + 1) // 2


def trace(scores: Mapping[str, Tensor], moved: Tensor, forgotten: Collection[int], n_decoys: int) -> Trace:
    """Order the names by each sign and by their movement, and look for the forgotten ones.

    Args:
        scores: as of `signs`.
        moved: as of `movement`.
        forgotten: their numbers in the list, at least one.
        n_decoys: how many other names of the list were remapped.
    """
    numbers = sorted(forgotten)
    by_sign = {sign: ranks(score) for sign, score in scores.items()}
    first = {sign: int(order[numbers].min()) for sign, order in by_sign.items()}
    sign = min(first, key=lambda name: first[name])
    best = torch.stack(list(by_sign.values())).amin(dim=0)  # of every name, by its own best sign
    unmarked = torch.ones(len(moved), dtype=torch.bool)
    unmarked[numbers] = False
    share = float((best[unmarked] <= first[sign]).float().mean()) if bool(unmarked.any()) else 1.0
    chance = 1.0 - (1.0 - share) ** len(numbers)
    return Trace(len(moved), first[sign], sign, chance, int(ranks(moved)[numbers].min()), n_decoys)
