"""Lengths of embeddings: what the states of a text lack for an embedding of a given length.

The closed form and the losses of the fine-tuning look at directions, and so does every attack by cosines. But names that a model
knows have shorter embeddings than unknown ones, and what a remapping leaves of that shows in the defended file: a forgotten name
that is half a per cent longer than unknown names stands first among a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unlearn.defence.last_blocks import CHUNK, list_of_blocks
from unlearn.models.encoders import TextEncoder


@torch.no_grad()
def lengths(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """Lengths (n,) of the embeddings of texts (n, t)."""
    return torch.cat([encoder.embed_texts(chunk).norm(dim=1) for chunk in tokens.split(CHUNK)])


def missing_for(wanted: Tensor, encoder: TextEncoder, tokens: Tensor, after_chunk: Callable[[], None]) -> Tensor:
    """What the last block's states (n, w) at the ends of texts (n, t) lack for embeddings of the wanted lengths (n,).

    It is the shortest way there, to first order: along the gradient of the length. That hardly turns the embeddings.
    """
    missing = []
    for chunk, goals in zip(tokens.split(CHUNK), wanted.split(CHUNK), strict=True):
        present, gradients = _gradients(encoder, chunk)
        missing.append(((goals - present) / gradients.pow(2).sum(dim=1).clamp_min(1e-12))[:, None] * gradients)
        after_chunk()
    return torch.cat(missing)


def _gradients(encoder: TextEncoder, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (n,) of the embeddings, and their gradients (n, w) by the last block's states at the ends of the texts."""
    added: list[Tensor] = []

    def add(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        states = output[0] if isinstance(output, tuple) else output
        added.append(torch.zeros_like(states, requires_grad=True))
        return (states + added[0], *output[1:]) if isinstance(output, tuple) else states + added[0]

    handle = list_of_blocks(encoder)[-1].register_forward_hook(add)
    try:
        with torch.enable_grad():
            present = encoder.embed_texts(tokens).norm(dim=1)
            (gradients,) = torch.autograd.grad(present.sum(), added)
    finally:
        handle.remove()
    return present.detach().float(), gradients[torch.arange(len(tokens)), encoder.end_of_text_positions(tokens)].float()
