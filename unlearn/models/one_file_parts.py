"""The descriptions (config.json) of the parts of a Stable Diffusion 1.x in one file, read from the shapes of its tensors.

What shapes do not tell is that of version 1.x: 8 heads of attention, groups of 32 channels, pictures of 512 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unlearn.models.clip_text_files import TEXT_PREFIX
from unlearn.models.weight_files import Stored

UNET, DECODER, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."
SIDE_PX = 512
TEXT_HEAD_WIDTH = 64


def _count(names: Mapping[str, Any], start: str) -> int:
    return len({name.removeprefix(start).partition(".")[0] for name in names if name.startswith(start)})


def unet_config(stored: Mapping[str, Stored]) -> dict[str, Any]:
    """Of the U-Net.

    Raises:
        LookupError, ValueError: tensors that no U-Net of this kind has, or lacks.
    """
    shapes = {name.removeprefix(UNET): found.shape for name, found in stored.items() if name.startswith(UNET)}
    levels: list[list[tuple[int, bool]]] = [[]]  # (channels, has attention) of the blocks of each resolution
    for place in range(1, _count(shapes, "input_blocks.")):
        start = f"input_blocks.{place}."
        if f"{start}0.op.weight" in shapes:
            levels.append([])
        else:
            has_attention = any(name.startswith(f"{start}1.transformer_blocks.") for name in shapes)
            levels[-1].append((shapes[f"{start}0.in_layers.2.weight"][0], has_attention))
    reading = [shape[-1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")]
    kinds = [blocks[0][1] for blocks in levels]
    return {
        "_class_name": "UNet2DConditionModel", "sample_size": SIDE_PX // 2 ** (_count(stored, f"{DECODER}encoder.down.") - 1),
        "in_channels": shapes["input_blocks.0.0.weight"][1], "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": [blocks[0][0] for blocks in levels], "layers_per_block": len(levels[0]),
        "down_block_types": ["CrossAttnDownBlock2D" if kind else "DownBlock2D" for kind in kinds],
        "up_block_types": ["CrossAttnUpBlock2D" if kind else "UpBlock2D" for kind in reversed(kinds)],
        "cross_attention_dim": reading[0], "attention_head_dim": 8, "norm_num_groups": 32,
        "use_linear_projection": len(shapes["middle_block.1.proj_in.weight"]) == 2,
    }  # fmt: skip


def decoder_config(stored: Mapping[str, Stored]) -> dict[str, Any]:
    """Of the decoder with its encoder; raises as `unet_config`."""
    shapes = {name.removeprefix(DECODER): found.shape for name, found in stored.items() if name.startswith(DECODER)}
    n_levels = _count(shapes, "encoder.down.")
    return {
        "_class_name": "AutoencoderKL", "sample_size": SIDE_PX, "scaling_factor": 0.18215, "norm_num_groups": 32,
        "latent_channels": shapes["post_quant_conv.weight"][0], "layers_per_block": _count(shapes, "encoder.down.0.block."),
        "block_out_channels": [shapes[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in range(n_levels)],
        "down_block_types": ["DownEncoderBlock2D"] * n_levels, "up_block_types": ["UpDecoderBlock2D"] * n_levels,
    }  # fmt: skip


def text_config(stored: Mapping[str, Stored]) -> dict[str, Any]:
    """Of the text encoder; raises as `unet_config`."""
    shapes = {name.removeprefix(TEXT).removeprefix(TEXT_PREFIX): found.shape for name, found in stored.items() if name.startswith(TEXT)}
    n_tokens, width = shapes["embeddings.token_embedding.weight"]
    return {
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "hidden_act": "quick_gelu", "vocab_size": n_tokens,
        "hidden_size": width, "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, "encoder.layers."), "num_attention_heads": max(1, width // TEXT_HEAD_WIDTH),
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0], "bos_token_id": n_tokens - 2,
        "eos_token_id": n_tokens - 1, "pad_token_id": 1,
    }  # fmt: skip
