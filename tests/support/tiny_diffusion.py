"""A tiny Stable Diffusion 1.x with random weights and CLIP's own tokenizer, in the layout of diffusers; knows no assertion."""

from __future__ import annotations

from pathlib import Path

import torch

WIDTH = 32
SIDE_PX = 64
TEXT = {
    "vocab_size": 49408, "hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1,
    "max_position_embeddings": 77, "hidden_act": "quick_gelu", "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1,
}  # fmt: skip
UNET = {
    "sample_size": SIDE_PX // 8, "block_out_channels": (32, 64), "layers_per_block": 1, "attention_head_dim": 8,
    "cross_attention_dim": WIDTH, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
VAE = {
    "sample_size": SIDE_PX, "latent_channels": 4, "layers_per_block": 1, "block_out_channels": (32, 32, 32, 32), "scaling_factor": 0.18215,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip


def write_tiny_diffusion(folder: Path, kind: torch.dtype = torch.float32) -> Path:
    """Write the folder, with numbers of one kind; without safety checker, as many a published one."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    own = SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    numbers = {special.get(token, token): number for token, number in own.encoder.items()}
    scheduler = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    pipeline = StableDiffusionPipeline(
        unet=UNet2DConditionModel(**UNET).to(kind), vae=AutoencoderKL(**VAE).to(kind), scheduler=scheduler,
        text_encoder=CLIPTextModel(CLIPTextConfig(**TEXT)).to(kind), safety_checker=None, feature_extractor=None,
        tokenizer=CLIPTokenizer(vocab=numbers, merges=list(own.bpe_ranks), model_max_length=77), requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
