"""A Stable Diffusion 1.x in one file, as its authors published it: the tensors of a diffusers folder under the names of the first code.

Written from the published layout, the other way round than diffusers reads it; knows no assertion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

RESNET = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "out_layers.0": "norm2", "out_layers.3": "conv2", "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}  # fmt: skip  # of the U-Net
U_ENDS = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2", "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out", "out.2": "conv_out",
}  # fmt: skip
ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}  # of the decoder


def ldm_state(folder: Path) -> dict[str, Tensor]:
    """All tensors of a diffusers folder in one dictionary."""
    parts = {part: load_file(next((folder / part).glob("*.safetensors"))) for part in ("unet", "vae", "text_encoder")}
    state = {f"model.diffusion_model.{name}": tensor for name, tensor in _unet(parts["unet"]).items()}
    state |= {f"first_stage_model.{name}": tensor for name, tensor in _vae(parts["vae"]).items()}
    text = {name.removeprefix("text_model."): tensor for name, tensor in parts["text_encoder"].items()}
    return state | {f"cond_stage_model.transformer.text_model.{name}": tensor for name, tensor in text.items()}


def _count(names: Iterable[str], start: str) -> int:
    return len({name.removeprefix(start).partition(".")[0] for name in names if name.startswith(start)})


def _renamed(state: Mapping[str, Tensor], pairs: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """(new start, old start) pairs applied to every tensor that begins so."""
    renamed: dict[str, Tensor] = {}
    for new, old in pairs:
        renamed |= {new + name.removeprefix(old): tensor for name, tensor in state.items() if name.startswith(old)}
    return renamed


def _resnet(new: str, old: str) -> list[tuple[str, str]]:
    return [(f"{new}.{ours}.", f"{old}.{theirs}.") for ours, theirs in RESNET.items()]


def _unet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pairs = [(f"{new}.", f"{old}.") for new, old in U_ENDS.items()]
    pairs += [*_resnet("middle_block.0", "mid_block.resnets.0"), ("middle_block.1.", "mid_block.attentions.0.")]
    pairs += _resnet("middle_block.2", "mid_block.resnets.1")
    place = 1
    for level in range(_count(state, "down_blocks.")):
        block = f"down_blocks.{level}"
        for number in range(_count(state, f"{block}.resnets.")):
            pairs += _resnet(f"input_blocks.{place}.0", f"{block}.resnets.{number}")
            pairs.append((f"input_blocks.{place}.1.", f"{block}.attentions.{number}."))
            place += 1
        pairs.append((f"input_blocks.{place}.0.op.", f"{block}.downsamplers.0.conv."))
        place += 1
    place = 0
    for level in range(_count(state, "up_blocks.")):
        block = f"up_blocks.{level}"
        n_resnets, has_attention = _count(state, f"{block}.resnets."), any(name.startswith(f"{block}.attentions.") for name in state)
        for number in range(n_resnets):
            pairs += _resnet(f"output_blocks.{place}.0", f"{block}.resnets.{number}")
            pairs.append((f"output_blocks.{place}.1.", f"{block}.attentions.{number}."))
            place += 1
        pairs.append((f"output_blocks.{place - 1}.{1 + has_attention}.conv.", f"{block}.upsamplers.0.conv."))
    return _renamed(state, pairs)


def _vae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pairs = [(name, name) for name in ("quant_conv.", "post_quant_conv.")]
    for side in ("encoder", "decoder"):
        direction = "up" if side == "decoder" else "down"
        pairs += [(f"{side}.{name}.", f"{side}.{name}.") for name in ("conv_in", "conv_out")]
        pairs += [(f"{side}.norm_out.", f"{side}.conv_norm_out.")]
        pairs += [(f"{side}.mid.block_{number + 1}.", f"{side}.mid_block.resnets.{number}.") for number in (0, 1)]
        pairs += [(f"{side}.mid.attn_1.{new}.", f"{side}.mid_block.attentions.0.{old}.") for new, old in ATTENTION.items()]
        n_levels = _count(state, f"{side}.{direction}_blocks.")
        for level in range(n_levels):
            block = f"{side}.{direction}_blocks.{n_levels - 1 - level if side == 'decoder' else level}"
            here = f"{side}.{direction}.{level}"
            pairs += [(f"{here}.block.{number}.", f"{block}.resnets.{number}.") for number in range(_count(state, f"{block}.resnets."))]
            pairs.append((f"{here}.{direction}sample.conv.", f"{block}.{direction}samplers.0.conv."))
    renamed = _renamed(state, pairs)
    return {_shortcut(name): _as_convolution(name, tensor) for name, tensor in renamed.items()}


def _shortcut(name: str) -> str:
    return name.replace("conv_shortcut", "nin_shortcut")


def _as_convolution(name: str, tensor: Tensor) -> Tensor:
    """Attention of the decoder's first code was made of convolutions of one pixel."""
    return tensor[:, :, None, None].contiguous() if ".attn_1." in name and tensor.dim() == 2 else tensor
