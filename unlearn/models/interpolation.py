"""CLIPs between an original and a defended one: weights = original + share * (defended - original)."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import nn

from unlearn.errors import ConfigError
from unlearn.models.clip import Clip
from unlearn.models.encoders import Encoder
from unlearn.models.pair import Pair

AnyEncoder = TypeVar("AnyEncoder", bound=Encoder)


def interpolated(models: Pair[Clip], share: float) -> Clip:
    """The CLIP that lies so far on the way from the original to the defended one.

    Args:
        models: neither is changed. An encoder that both share stays what it is.
        share: 0 is the original itself, 1 the defended one itself; both are handed back as they are, bit by bit.

    Raises:
        ConfigError: the share is not in 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"share is {share}; use 0 to 1.")
    original, defended = models
    if share in (0.0, 1.0):
        return defended if share else original
    clip = original.with_image(_between(original.image, defended.image, share))
    text = _between(original.text, defended.text, share)
    if original.is_shared or original.hidden is None or defended.hidden is None:
        return clip.with_text(text)
    return clip.with_text(text, _between(original.hidden, defended.hidden, share))


def _between(before: AnyEncoder, after: AnyEncoder, share: float) -> AnyEncoder:
    """A frozen copy of the first encoder with the weights in between; the encoder itself where both are one."""
    if after is before:
        return before
    module = cast(nn.Module, copy.deepcopy(before))
    goals = cast(nn.Module, after).state_dict()
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.lerp(tensor, goals[name], share))
    return cast(AnyEncoder, module.eval().requires_grad_(False))
