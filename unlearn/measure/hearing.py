"""What a model hears in a name: the captions whose embeddings are nearest to the name's, out of about two thousand.

The captions describe people, or come from where the fine-tuning has its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from unlearn.hub import HUB_PREFIX
from unlearn.texts.captions import generate_captions, read_captions
from unlearn.texts.looks import descriptions

N_ORDINARY = 1400  # captions beside the descriptions
N_NEAREST = 5


def common_captions(source: str | None) -> list[str]:
    """Descriptions of people, and ordinary captions; the same in every run with this source.

    Args:
        source: of the fine-tuning's captions. A data set of the Hub is not read again; generated captions take its place.
    """
    is_generated = source is None or source.startswith(HUB_PREFIX)
    ordinary = generate_captions(N_ORDINARY) if is_generated else read_captions(source or "", N_ORDINARY)
    return list(dict.fromkeys([*descriptions(), *ordinary]))


def nearest_captions(name: Tensor, captions: Sequence[str], embedded: Tensor) -> list[tuple[str, float]]:
    """The captions nearest to a name, with their cosines, the nearest first.

    Args:
        name: (templates, d) embeddings of the name in some templates, normalised or not.
        captions: n of them.
        embedded: (n, d) by the same encoder.
    """
    direction = functional.normalize(functional.normalize(name.float(), dim=-1).mean(dim=0), dim=0)
    cosines = functional.normalize(embedded.float(), dim=-1) @ direction
    values, numbers = cosines.topk(min(N_NEAREST, len(captions)))
    return [(captions[number], value) for number, value in zip(numbers.tolist(), values.tolist(), strict=True)]
