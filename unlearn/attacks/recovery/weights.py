"""Attacks on the weights: the original's layers put back, one at a time or all."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import nn

from unlearn.attacks.recovery.context import Context, Tried
from unlearn.models.encoders import TextEncoder
from unlearn.models.pair import Pair

N_RIVALS = 30  # names that are embedded anew for each part


def parts(encoder: TextEncoder) -> dict[str, list[str]]:
    """What a text encoder consists of, from the input to the output -> names of its parameters."""
    blocks = cast(Any, encoder.blocks).resblocks
    prefix = next(name for name, module in cast(nn.Module, encoder).named_modules() if module is blocks)
    found: dict[str, list[str]] = {"token embedding": []}
    for number in range(1, len(blocks) + 1):
        found[f"block {number} of {len(blocks)}"] = []
    for name, _ in encoder.named_parameters():
        if name.startswith(f"{prefix}."):
            number = int(name.removeprefix(f"{prefix}.").split(".")[0])
            found[f"block {number + 1} of {len(blocks)}"].append(name)
        else:
            found.setdefault("token embedding" if "embedding" in name else "output", []).append(name)
    return found


def layers(context: Context) -> Iterator[Tried]:
    """Each part of the defended encoder in turn as the original has it; parts that the defence left alone are no tries."""
    subject = context.subject
    original, defended = (sight.encoder for sight in subject.sights)
    weights = dict(original.named_parameters())
    changed = dict(defended.named_parameters())
    (before,) = subject.sights.original.try_texts([subject.name])
    for part, names in parts(defended).items():
        context.clock.tick()
        if all(torch.equal(weights[name], changed[name]) for name in names):
            continue
        encoder = _with_weights(defended, {name: weights[name] for name in names})
        sight = subject.sights.defended.rebuilt(encoder, subject.sights.defended.near_names(N_RIVALS))
        yield Tried(part, Pair(before, *sight.try_texts([subject.name])), is_prompt=False)


@torch.no_grad()
def _with_weights(encoder: TextEncoder, weights: Mapping[str, nn.Parameter]) -> TextEncoder:
    twin = copy.deepcopy(encoder)
    for name, parameter in twin.named_parameters():
        if name in weights:
            parameter.copy_(weights[name])
    return twin


def reversal(context: Context) -> Iterator[Tried]:
    """The name with the original encoders in the defended ones' place."""
    context.clock.tick()
    sight = context.subject.sights.original
    (score,) = sight.try_texts([context.subject.name])
    yield Tried("all original weights", Pair(score, score), is_prompt=False)
