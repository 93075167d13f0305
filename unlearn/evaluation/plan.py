"""In which order everybody of a set is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import torch

PlanEntry = tuple[tuple[str, ...], str | None, int]  # names, neutral term (None: stand-ins), seed


def random_orders(names: Sequence[str], seeds: Sequence[int]) -> dict[int, list[str]]:
    """Seed -> the names in the random order of this seed."""
    generators = {seed: torch.Generator().manual_seed(seed) for seed in seeds}
    return {seed: [names[i] for i in torch.randperm(len(names), generator=g).tolist()] for seed, g in generators.items()}
