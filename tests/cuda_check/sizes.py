"""What is computed, in full size and for a rehearsal, and the models with random weights for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from unlearn.bench.full_size_memory import STABLE_DIFFUSION_14
from unlearn.bench.timing import text_encoder
from unlearn.config import Person, ResolvedConfig, TextFineTuneConfig
from unlearn.defence.text_task import TextTask, text_task
from unlearn.models.diffusion import Diffusion
from unlearn.models.diffusion_memory import Placement
from unlearn.models.embeddings import Kind
from unlearn.models.encoders import OpenClipText
from unlearn.models.memory_plan import Plan

TINY_UNET = {
    "sample_size": 8, "block_out_channels": (32, 64), "layers_per_block": 1, "cross_attention_dim": 768, "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
TINY_VAE = {**STABLE_DIFFUSION_14["vae"], "block_out_channels": (32, 32, 32, 32), "layers_per_block": 1, "sample_size": 64}


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    Attributes:
        n_layers: of text encoders; None: all.
        batch_size: clean texts of a step, and as many with a name.
        n_steps: of a timing.
        n_names: of the attack, for each of its 21 prompts.
        n_portraits: drawn at a time.
        compiles: whether torch.compile and CUDA graphs are tried; both need a GPU.
    """

    n_layers: int | None
    batch_size: int
    n_steps: int
    n_names: int
    n_portraits: int
    compiles: bool

    @property
    def is_small(self) -> bool:
        """Whether this is a rehearsal."""
        return self.n_layers is not None


FULL = Sizes(None, 128, 10, 1000, 20, compiles=True)
SMALL = Sizes(1, 4, 2, 5, 2, compiles=False)


def text_on(name: str, device: torch.device, sizes: Sizes, kind: torch.dtype = torch.float32) -> OpenClipText:
    """A text encoder with the same random weights on every device; `kind` is the precision of its matrix products."""
    encoder = text_encoder(name, "cpu", sizes.n_layers).to(device)
    encoder.precision = kind
    return encoder


def task_of(encoder: OpenClipText, kinds: tuple[Kind, ...], batch_size: int) -> tuple[TextTask, TextFineTuneConfig]:
    """The task of one name."""
    schedule = TextFineTuneConfig(n_steps=1, batch_size=batch_size, n_captions=2000, regularization_weight=0.005)
    return text_task(encoder, ResolvedConfig((Person("Ada Brook"),), text=schedule, target="neutral_term"), kinds), schedule


def diffusion_on(device: torch.device, sizes: Sizes, kind: torch.dtype, side: int | None = None) -> Diffusion:
    """A Stable Diffusion 1.4 with random weights (a tiny one for a rehearsal); `side`: of its latents, another one than its own."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    described: dict[str, Any] = {**(TINY_UNET if sizes.is_small else STABLE_DIFFUSION_14["unet"])}
    if side is not None:
        described["sample_size"] = side
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel(**described)
    vae: Any = AutoencoderKL(**(TINY_VAE if sizes.is_small else STABLE_DIFFUSION_14["vae"]))
    for module, numbers in ((unet, kind), (vae, torch.float32)):
        module.to(device, numbers).eval().requires_grad_(False)
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return Diffusion(
        unet, vae, DPMSolverMultistepScheduler, dict(scheduler.config), Placement(device, Plan("none", (2 * sizes.n_portraits, 4)))
    )
