"""What models of full size hold at most, bounded on the meta device: text fine-tuning of ViT-L/14, drawing with Stable Diffusion 1.4."""

from __future__ import annotations

from typing import Any

import torch

from unlearn.bench.peak_memory import PeakMemory, bounded_peak
from unlearn.bench.timing import text_encoder
from unlearn.config import Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence.loop import FineTuning
from unlearn.defence.students import student_of
from unlearn.defence.text_task import text_task
from unlearn.models.embeddings import Kind

LARGE = "ViT-L-14-quickgelu"
BATCH_SIZE = 128  # clean texts, and as many with a name
ROWS = (16, 32)  # of two passes whose difference tells what a text adds
STABLE_DIFFUSION_14: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "cross_attention_dim": 768,
        "block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    },
    "vae": {
        "sample_size": 512, "latent_channels": 4, "layers_per_block": 2, "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
}  # fmt: skip  # the configurations of CompVis/stable-diffusion-v1-4


def training_bound(
    name: str = LARGE, kinds: tuple[Kind, ...] = ("pooled", "hidden"), max_rows: int | None = None, n_layers: int | None = None
) -> PeakMemory:
    """Of a step of the text fine-tuning in float32, teacher included.

    Args:
        name: open_clip's, of the model.
        kinds: the losses.
        max_rows: texts of one pass with gradients; None: the whole batch. Two such passes are made: more hold no more.
        n_layers: None: all of the model.
    """
    teacher = text_encoder(name, "meta", n_layers)
    batch_size = BATCH_SIZE if max_rows is None else min(BATCH_SIZE, max_rows)
    schedule = TextFineTuneConfig(n_steps=1, batch_size=batch_size, n_captions=2000, regularization_weight=0.005)
    task = text_task(teacher, ResolvedConfig((Person("Ada Brook"),), text=schedule, target="neutral_term"), kinds)
    task.max_rows = max_rows

    def later_step() -> None:
        loop = FineTuning(teacher, student_of(teacher), task, schedule)
        for parameter in loop.trained:
            parameter.grad = torch.zeros_like(parameter)
        loop.optimizer.step()  # makes its moments, which are there from the second step on
        loop.update(0)

    return bounded_peak((teacher,), later_step)


def unet_bound(n_rows: int, kind: torch.dtype) -> PeakMemory:
    """Of one call of the U-Net of Stable Diffusion 1.4; a picture with guidance is two rows."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**STABLE_DIFFUSION_14["unet"])
        unet.to(dtype=kind).eval().requires_grad_(False)
        latents, states = torch.empty(n_rows, 4, 64, 64, dtype=kind), torch.empty(n_rows, 77, 768, dtype=kind)
        time = torch.tensor(1.0)
    return bounded_peak((unet,), lambda: _without_gradients(unet, latents, time, encoder_hidden_states=states))


def decoder_bound(n_pictures: int) -> PeakMemory:
    """Of one call of the decoder in float32, with the encoder's weights, which come with it."""
    from diffusers import AutoencoderKL

    with torch.device("meta"):
        vae: Any = AutoencoderKL(**STABLE_DIFFUSION_14["vae"])
        latents = torch.empty(n_pictures, 4, 64, 64)
    return bounded_peak((vae.eval(),), lambda: _without_gradients(vae.decode, latents))


def _without_gradients(function: Any, *inputs: Any, **options: Any) -> Any:
    with torch.inference_mode():
        return function(*inputs, **options)
