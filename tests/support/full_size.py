"""Model files of published size and layout with random weights; knows no assertion."""

from __future__ import annotations

from pathlib import Path

import torch
from open_clip import CLIP
from open_clip.factory import get_model_config

from unlearn.bench.full_size_memory import STABLE_DIFFUSION_14

SD14_TEXT = {
    "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
    "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1,
}  # fmt: skip


def save_clip(path: Path, name: str = "ViT-B-32-quickgelu") -> None:
    """An open_clip checkpoint as safetensors."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(CLIP(**get_model_config(name)).state_dict(), path)


def save_stable_diffusion(folder: Path, sample_size: int) -> None:
    """A Stable Diffusion 1.4 in half precision that draws at 8 times `sample_size` px: the same layers, less work."""
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    UNet2DConditionModel(**{**STABLE_DIFFUSION_14["unet"], "sample_size": sample_size}).half().save_pretrained(folder / "unet")
    AutoencoderKL(**STABLE_DIFFUSION_14["vae"]).half().save_pretrained(folder / "vae")
    CLIPTextModel(CLIPTextConfig(**SD14_TEXT)).half().save_pretrained(folder / "text_encoder")
    PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True,
                  steps_offset=1).save_pretrained(folder / "scheduler")  # fmt: skip
    slow = SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {special.get(token, token): number for token, number in slow.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(slow.bpe_ranks), model_max_length=77).save_pretrained(folder / "tokenizer")
