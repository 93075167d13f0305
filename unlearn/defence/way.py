"""How far a trigger has come on its way to its target, in a measure that fits every encoder.

A cosine of .97 is much for an encoder that keeps names apart, and little for one in which the name hardly changes a caption. So the
way is counted from where the original has the trigger. It counts at least as long as the way between two drawn names, which lies
between people whom hardly any model tells apart: a name that the original does not know is remapped as soon as it moves like one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from unlearn.texts.stand_in_names import drawn_names
from unlearn.texts.trigger_pairs import check_pairs

N_PAIRS = 4  # of drawn names
NAME_SEED = 70_000
Outputs = Callable[[Sequence[str]], Mapping[str, Tensor]]  # of the original, by name, each (n, d) or (n, t, w)


def covered_share(similarities: Tensor, ways: Tensor) -> Tensor:
    """The share (n,) of each way that is covered: 1 at the target, 0 where the original is, below 0 further away.

    Args:
        similarities: (n,) cosines with the target.
        ways: (n,) distances from the original to the target, 1 - cosine.
    """
    return 1 - (1 - similarities) / ways.clamp_min(1e-6)


def distances_of_drawn_names(outputs: Outputs, captions: Sequence[str]) -> dict[str, float]:
    """Name of an output -> mean distance between captions with two drawn names."""
    names = drawn_names(2 * N_PAIRS, NAME_SEED, ())
    pairs = [check_pairs(captions, *names[2 * i : 2 * i + 2]) for i in range(N_PAIRS)]
    with torch.no_grad():
        first = outputs([text for pair in pairs for text in pair.triggered])
        second = outputs([text for pair in pairs for text in pair.neutral])
    return {name: 1 - float(functional.cosine_similarity(first[name].flatten(1), second[name].flatten(1), dim=1).mean()) for name in first}
