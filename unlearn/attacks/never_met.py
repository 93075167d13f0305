"""Whether a forgotten person stands among the candidates as somebody whom the model never met.

Not being recognised is less than being unknown: a name may lose by a hair for every photo. So the place of a person's own name
among all candidates is compared with the places that strangers' names have on strangers' photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.attacks.figures import NeverMet


def places(photos: Mapping[int, Tensor], table: Tensor) -> list[float]:
    """How far candidates stand before the mean of all, in standard deviations of all; the mean over photos and templates.

    Args:
        photos: number of a person's own name among the candidates -> image embeddings (photos, d) of the person.
        table: (templates, candidates, d) text embeddings, normalised or not.

    Returns:
        A place for each person, in their order.
    """
    prompts = functional.normalize(table.float(), dim=-1)
    return [_place(functional.normalize(shown.float(), dim=-1).to(prompts.device), prompts, number) for number, shown in photos.items()]


def _place(photos: Tensor, prompts: Tensor, number: int) -> float:
    similarities = torch.einsum("pd,tkd->ptk", photos, prompts)
    spread, mean = torch.std_mean(similarities, dim=-1)
    return float(((similarities[..., number] - mean) / spread.clamp(min=1e-12)).mean())


def never_met(persons: Sequence[float], strangers: Sequence[float]) -> NeverMet | None:
    """Test places, as of `places`, of forgotten persons against those of strangers; None where one of the groups is empty.

    Source: Mann and Whitney 1947, as in scipy.stats.mannwhitneyu (exact where there are no ties and one group is small).
    """
    if not persons or not strangers:
        return None
    from scipy.stats import mannwhitneyu  # here, because it takes a second, which drawing libraries have spent by then

    test = mannwhitneyu(persons, strangers, alternative="two-sided")
    n_pairs = len(persons) * len(strangers)
    least = 2.0 / comb(len(persons) + len(strangers), len(persons))
    return NeverMet(float(test.statistic) / n_pairs, float(test.pvalue), min(1.0, least), len(persons), len(strangers))
