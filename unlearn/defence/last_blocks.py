"""The last blocks of a text encoder, run again and again on the same texts, and what their second layers are given.

For the closed form: `defence.closed_form` edits these layers, `defence.kept_moments` tells what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unlearn.config import ClosedForm
from unlearn.errors import ConfigError
from unlearn.models.encoders import OpenClipText, TextEncoder

N_PADDING = 8  # positions behind the longest text, which only a diffusion model reads
CHUNK = 128  # texts a pass
SECOND_LAYERS = ("c_proj", "fc2")  # of a block's two-layer network: open_clip's name, transformers' name


def without_shortcuts(encoder: Any) -> Any:
    """The encoder, or a copy whose layers are called: the shortcuts compute a block's second layer without calling it."""
    return encoder.without_shortcuts() if isinstance(encoder, OpenClipText) else encoder


def second_layers(encoder: TextEncoder, n_blocks: int) -> list[nn.Linear]:
    """The second layers of the two-layer networks of the last `n_blocks` blocks, the first of these blocks first.

    Raises:
        ConfigError: there are none.
    """
    found = [
        module
        for name, module in encoder.blocks.named_modules()
        if name.rpartition(".")[2] in SECOND_LAYERS and isinstance(module, nn.Linear)
    ]
    if not found:
        raise ConfigError("The closed form does not fit the blocks of this text encoder; leave it out.")
    return found[-n_blocks:]


def position_weights(encoder: TextEncoder, tokens: Tensor, config: ClosedForm) -> Tensor:
    """Weights (n, L) of the positions of texts (n, L) in the objective."""
    return offset_weights(torch.arange(tokens.shape[1])[None] - encoder.end_of_text_positions(tokens)[:, None], config)


def offset_weights(offsets: Tensor, config: ClosedForm) -> Tensor:
    """Weights of positions that are so many positions behind the end of their text."""
    weights = torch.where(offsets < 0, 1.0, config.padding_weight)
    return torch.where(offsets == 0, config.end_weight, weights)


def with_some_padding(encoder: TextEncoder, tokens: Tensor) -> Tensor:
    """Token ids (n, t <= L) without most of the padding, whose positions are all alike."""
    return tokens[:, : int(encoder.end_of_text_positions(tokens).max()) + 1 + N_PADDING]


def second_moment(inputs: Iterable[Tensor], weights: Tensor) -> Tensor:
    """The weighted mean (h, h) of h h^T over all positions of the texts, in double precision.

    Args:
        inputs: (c, t, h) for each chunk of texts.
        weights: (n, t).
    """
    moments = []
    for of_chunk, chunk in zip(weights.split(CHUNK), inputs, strict=True):
        rows = chunk.flatten(0, 1) * of_chunk.to(chunk.device).flatten().sqrt()[:, None]
        moments.append((rows.T @ rows).double())
    return torch.stack(moments).sum(dim=0) / float(weights.sum())


class LastBlocks:
    """Texts on their way through the last blocks, as often as it is needed; the blocks before them run once.

    What the first of the last blocks is called with is kept, masks and all, so that blocks of any signature can be called again.
    """

    def __init__(self, encoder: TextEncoder, tokens: Tensor, n_blocks: int, after_chunk: Callable[[], None]) -> None:
        self._blocks = list_of_blocks(encoder)[-n_blocks:]
        self._after_chunk = after_chunk
        self._calls = [self._call(encoder, chunk) for chunk in tokens.split(CHUNK)]

    def _call(self, encoder: TextEncoder, tokens: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

        def keep(_module: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            calls.append((positional, named))
            raise _ReachedError

        handle = self._blocks[0].register_forward_pre_hook(keep, with_kwargs=True)
        try:
            encoder.hidden_states(tokens)
        except _ReachedError:
            self._after_chunk()
        finally:
            handle.remove()
        return calls[0]

    def passes(self, layer: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
        """For each chunk of texts: inputs (c, t, h) of a layer of these blocks, and states (c, t, w) at their end; in float32."""
        for positional, named in self._calls:
            inputs: list[Tensor] = []
            handle = layer.register_forward_pre_hook(lambda _module, values, inputs=inputs: inputs.append(values[0]))
            try:
                states = positional[0]
                for block in self._blocks:
                    output = block(states, *positional[1:], **named)
                    states = output[0] if isinstance(output, tuple) else output
            finally:
                handle.remove()
            self._after_chunk()
            yield inputs[0].float(), states.float()


def list_of_blocks(encoder: TextEncoder) -> nn.ModuleList:
    """The list of blocks, whose items give the states as their output."""
    return next(module for module in encoder.blocks.modules() if isinstance(module, nn.ModuleList))


class _ReachedError(Exception):
    """A forward pass has come to where it is to be left."""
