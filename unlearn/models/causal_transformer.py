"""Runs the blocks of an open_clip text transformer faster than their own `forward` does, to the same numbers.

Four things make the difference, none of which changes what is computed:

- a causal transformer's first positions do not see what follows, so tokens that all texts of a batch begin with
  (the start token, the words of a template before the name) are computed once and not once a text;
- where only the state at the end of the text is wanted, the last block computes the others' keys and values only;
- attention on contiguous (n, heads, t, w) tensors without a mask tensor, instead of `nn.MultiheadAttention`,
  which copies;
- QuickGELU, x * sigmoid(1.702 x), is SiLU at another scale, and the scales fit into the matrix products around it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

QUICK_GELU = 1.702
MIN_SHARED_PART = 0.1  # of the tokens of a text


def supports(transformer: nn.Module) -> bool:
    """Whether all blocks are of CLIP's plain kind (no layer scale, no normalised queries and the like)."""
    from open_clip.transformer import QuickGELU, ResidualAttentionBlock

    def is_plain(block: nn.Module) -> bool:
        if type(block) is not ResidualAttentionBlock:
            return False
        attention = cast(Any, block)
        scales = (attention.ls_1, attention.ls_2)
        return all(isinstance(scale, nn.Identity) for scale in scales) and type(attention.mlp.gelu) in (QuickGELU, nn.GELU)

    return all(is_plain(block) for block in cast(Any, transformer).resblocks)


def n_worth_sharing(tokens: Tensor) -> int:
    """`n_shared_tokens`, or 0 where they are too small a part to pay for the mask that sharing needs."""
    n_shared = n_shared_tokens(tokens)
    return n_shared if n_shared >= MIN_SHARED_PART * tokens.shape[1] else 0


def n_shared_tokens(tokens: Tensor) -> int:
    """Number of leading tokens (n, t) that are the same in all rows; less than t, and 0 for a single row."""
    if len(tokens) < 2:
        return 0
    same = (tokens[1:] == tokens[:1]).all(dim=0)[:-1]
    return int(same.long().cumprod(dim=0).sum())


def run_blocks(transformer: nn.Module, states: Tensor, n_shared: int, positions: Tensor | None = None) -> Tensor:
    """All blocks on embedded tokens (n, t, w), whose first `n_shared` positions are equal in all rows.

    Args:
        transformer: an open_clip Transformer that `supports` accepts.
        states: token plus positional embeddings.
        n_shared: less than t, as from `n_shared_tokens`.
        positions: one a row (n,), none of them shared; None: all.

    Returns:
        (n, t, w), or (n, w) at these positions, before the final layer norm; gradients flow.
    """
    first, rest = states[:1, :n_shared], states[:, n_shared:]  # (1, s, w), (n, t - s, w)
    mask = _mask(n_shared, rest.shape[1], states) if n_shared else None
    blocks = list(cast(Any, transformer).resblocks)
    for block in blocks[:-1] if positions is not None else blocks:
        query, key, value = _projected(block, rest)
        if n_shared:
            own_query, own_key, own_value = _projected(block, first)
            first = _feed_forward(block, _attended(block, first, (own_query, own_key, own_value), None))
            key, value = _behind(own_key, key), _behind(own_value, value)
        rest = _feed_forward(block, _attended(block, rest, (query, key, value), mask))
    if positions is not None:
        return _last_block(blocks[-1], first, rest, positions.to(states.device) - n_shared)
    return torch.cat([first.expand(len(rest), -1, -1), rest], dim=1) if n_shared else rest


def _last_block(block: Any, first: Tensor, rest: Tensor, positions: Tensor) -> Tensor:
    """States (n, w) at the wanted positions of `rest` after this block; it computes no others."""
    query, key, value = _projected(block, rest)
    n_shared, rows = first.shape[1], torch.arange(len(rest), device=rest.device)
    if n_shared:
        _, own_key, own_value = _projected(block, first)
        key, value = _behind(own_key, key), _behind(own_value, value)
    mask = _mask(n_shared, rest.shape[1], rest)[positions][:, None, None]  # (n, 1, 1, t)
    query = query[rows, :, positions][:, :, None]  # (n, heads, 1, w / heads)
    states = _attended(block, rest[rows, positions][:, None], (query, key, value), mask)
    return _feed_forward(block, states)[:, 0]


def _mask(n_shared: int, length: int, like: Tensor) -> Tensor:
    """(length, n_shared + length): every shared position and the own past are seen."""
    own = torch.ones(length, length, dtype=torch.bool, device=like.device).tril_()
    return torch.cat([own.new_ones(length, n_shared), own], dim=1)


def _behind(shared: Tensor, own: Tensor) -> Tensor:
    """Keys or values of the shared positions (1, heads, s, .) before those of each row (n, heads, t, .)."""
    return torch.cat([shared.expand(len(own), -1, -1, -1), own], dim=2)


def _projected(block: Any, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (n, heads, t, w / heads) of states (n, t, w)."""
    attention = block.attn
    joined = F.linear(block.ln_1(states), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = joined.view(*states.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    return query, key, value


def _attended(block: Any, states: Tensor, projected: tuple[Tensor, Tensor, Tensor], mask: Tensor | None) -> Tensor:
    """States (n, t, w) plus what they attend to; without a mask, each to its own past."""
    out = F.scaled_dot_product_attention(*projected, attn_mask=mask, is_causal=mask is None)
    attended: Tensor = block.attn.out_proj(out.transpose(1, 2).reshape(states.shape))
    return states + attended


def _feed_forward(block: Any, states: Tensor) -> Tensor:
    """One block's two-layer network with its residual."""
    first, second = block.mlp.c_fc, block.mlp.c_proj
    inner = block.ln_2(states)
    if isinstance(block.mlp.gelu, nn.GELU):
        return states + second(F.gelu(first(inner)))
    rows = inner.flatten(0, 1)
    hidden = F.silu(torch.addmm(first.bias * QUICK_GELU, rows, first.weight.t(), alpha=QUICK_GELU))
    out = torch.addmm(second.bias, hidden, second.weight.t(), alpha=1 / QUICK_GELU)
    return states + out.view_as(states)
