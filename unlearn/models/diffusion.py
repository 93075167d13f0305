"""Portraits by one Stable Diffusion with several text encoders: equal seeds, equal noise, one U-Net in memory.

The four conditions of the paper (original and defended encoder, the name and the neutral term) differ only in
what the U-Net reads; so they are drawn side by side in one batch.

Guidance contrasts a prompt with the empty prompt *of the same encoder*: that is what a pipeline does into which
the defended encoder was loaded, so the pictures are those that its user gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearn.config import PortraitConfig
from unlearn.errors import ConfigError, ModelLoadError, first_line
from unlearn.files import read_json_object
from unlearn.models.diffusers_modules import (
    FOREIGN,
    model_classes,
    require_module,
    require_steps,
    scheduler_class,
    step_options,
)
from unlearn.models.diffusion_memory import Placement, drawing_plan, placed, require_memory
from unlearn.models.diffusion_parts import weight_files
from unlearn.models.encoders import TextEncoder
from unlearn.models.memory_plan import Plan
from unlearn.progress import Progress, Report, no_report, part_of


@dataclass(frozen=True)
class Condition:
    """What the U-Net reads for one picture: states (L, w) of the prompt and of the empty prompt."""

    prompt: Tensor
    empty: Tensor


@dataclass(frozen=True)
class Diffusion:
    """The parts of a Stable Diffusion besides its text encoder, in eval mode, and where they do their work."""

    unet: Any
    vae: Any
    scheduler_class: Any
    scheduler_config: dict[str, Any]
    placement: Placement

    @property
    def device(self) -> torch.device:
        """Where U-Net and decoder do their work; between, they may wait on the CPU."""
        return self.placement.device


# As `callback_on_step_end` of a diffusers pipeline, for one batch: the number of its first picture, how many denoising steps are done
# (0: it is noise), and its latents (b, channels, h, w), scaled as the U-Net reads them.
StepEnd = Callable[[int, int, Tensor], None]


def no_step_end(first: int, n_done: int, latents: Tensor) -> None:
    """The `StepEnd` of a caller who only wants the pictures."""


def load_diffusion(folder: Path, device: torch.device, precision: torch.dtype, plan: Plan | None = None) -> Diffusion:
    """U-Net, decoder and scheduler of a folder in the layout of diffusers; never the network.

    Args:
        folder: as found by `weights.find_diffusion`.
        device: where to put them.
        precision: of the U-Net; the decoder stays in float32, which costs little and shows.
        plan: what waits where, and how much is done at a time; None: nothing is cut.

    Raises:
        ModelLoadError: missing or unreadable parts.
    """
    if device.type == "cpu":
        require_memory(folder, precision)
    unet, vae = (_loaded(folder, part, kind) for part, kind in (("unet", precision), ("vae", torch.float32)))
    config = read_json_object(folder / "scheduler" / "scheduler_config.json")
    for part in (unet, vae):
        part.eval().requires_grad_(False)
    placement = placed(unet, vae, device, plan or drawing_plan(folder, device, precision, None, "full"))
    return Diffusion(unet, vae, scheduler_class(str(config.get("_class_name"))), config, placement)


def _loaded(folder: Path, part: str, precision: torch.dtype) -> Any:
    model_class, files = model_classes()[part], weight_files(folder, part)
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": files.is_safe, "torch_dtype": precision}
    try:
        return model_class.from_pretrained(folder, subfolder=part, variant=files.variant, **options)
    except FOREIGN as error:
        raise ModelLoadError(f"The {part} of the Stable Diffusion cannot be loaded: {first_line(error)}") from error


def require_drawing(folder: Path, config: PortraitConfig, with_weights: bool = True) -> None:
    """Raise where drawing would fail: a scheduler is run through without a model, and modules and weights are compared name by name.

    Reads the code that `load_diffusion` needs, and every number once, but keeps no weights.

    Args:
        folder: as found by `weights.find_diffusion`.
        config: its scheduler and steps are tried.
        with_weights: False where U-Net and decoder of this folder were checked before.

    Raises:
        ConfigError: the scheduler of the settings is none of diffusers', or cannot make so many steps.
        ModelLoadError: a part does not fit its configuration, holds values that are no numbers, or the folder's scheduler cannot be used.
    """
    described = read_json_object(folder / "scheduler" / "scheduler_config.json")
    own = scheduler_class(str(described.get("_class_name")))
    require_steps(scheduler_class(config.scheduler) if config.scheduler else own, described, config)
    for part in model_classes() if with_weights else ():
        require_module(folder, part)


@torch.inference_mode()
def conditions(encoder: TextEncoder, prompts: Sequence[str]) -> list[Condition]:
    """What a U-Net reads for each of n prompts; the empty prompt is encoded once for all of them."""
    states = encoder.hidden_states(encoder.tokenize([*prompts, ""]))  # (n + 1, L, w)
    return [Condition(state, states[-1]) for state in states[:-1]]


def draw(
    diffusion: Diffusion, drawn_conditions: Sequence[Condition], config: PortraitConfig, report: Report = no_report,
    on_step_end: StepEnd = no_step_end,
) -> np.ndarray:  # fmt: skip
    """A picture for every seed and condition; all conditions of a seed start from the same noise.

    The noise comes from a generator on the CPU, so equal seeds give equal noise on every device, and equal to that
    of a `StableDiffusionPipeline` with such a generator.

    Args:
        diffusion: shared by all.
        drawn_conditions: c conditions.
        config: seeds, steps, guidance, scheduler.
        report: called after every denoising step.
        on_step_end: told the latents on the way; pictures are numbered seed by seed.

    Returns:
        uint8 (seeds, c, height, width, 3).

    Raises:
        ConfigError: unknown scheduler, or the GPU is too small.
    """
    pairs = [(seed, condition) for seed in config.seeds for condition in drawn_conditions]
    size = _pictures_a_batch(diffusion, config, len(drawn_conditions))
    batches = [pairs[i : i + size] for i in range(0, len(pairs), size)]
    try:  # first everything is drawn and then decoded, so that a part that waits on the CPU is moved once
        latents = [
            _denoise(diffusion, batch, config, part_of(report, number, len(batches)), partial(on_step_end, number * size))
            for number, batch in enumerate(batches)
        ]
        drawn = np.stack([picture for of_batch in latents for picture in decode(diffusion, of_batch)])
    except torch.cuda.OutOfMemoryError as error:
        raise ConfigError("The GPU's memory does not suffice for the portraits; start with --memory low.") from error
    finally:
        diffusion.placement.rest()
    return drawn.reshape(len(config.seeds), len(drawn_conditions), *drawn.shape[1:])


def _pictures_a_batch(diffusion: Diffusion, config: PortraitConfig, n_conditions: int) -> int:
    """As many as memory allows; whole seeds where at least one fits."""
    rows = 2 if config.guidance_scale > 1 else 1
    fitting = max(1, diffusion.placement.plan.samples[0] * _times_smaller(diffusion, config) // rows)
    return fitting // n_conditions * n_conditions or fitting


def _times_smaller(diffusion: Diffusion, config: PortraitConfig) -> int:
    """How often a picture of the settings' size goes into one of the model's own, for which the memory was planned; at least 1."""
    return max(1, (int(diffusion.unet.config.sample_size) // _latent_side(diffusion, config)) ** 2)


def _latent_side(diffusion: Diffusion, config: PortraitConfig) -> int:
    if config.size_px is None:
        return int(diffusion.unet.config.sample_size)
    return max(1, config.size_px // _scale(diffusion.vae))


def _scale(vae: Any) -> int:
    """Pixels of a picture for each of its latent's, along a side."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


@torch.inference_mode()
def _denoise(
    diffusion: Diffusion, batch: Sequence[tuple[int, Condition]], config: PortraitConfig, report: Report,
    on_step_end: Callable[[int, Tensor], None],
) -> Tensor:  # fmt: skip
    """Latents (b, channels, h, w) of one batch of (seed, condition)."""
    device, unet = diffusion.device, diffusion.unet
    scheduler = _scheduler(diffusion, config)
    scheduler.set_timesteps(config.n_steps, device=device)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed, _ in batch]
    side = _latent_side(diffusion, config)
    shape = (1, int(unet.config.in_channels), side, side)
    latents = torch.cat([torch.randn(shape, generator=generator) for generator in generators]).to(device)
    latents = latents * scheduler.init_noise_sigma
    is_guided = config.guidance_scale > 1
    states = torch.stack([condition.prompt for _, condition in batch])  # (b, L, w)
    if is_guided:
        states = torch.cat([torch.stack([condition.empty for _, condition in batch]), states])  # (2b, L, w)
    states = states.to(device, unet.dtype)
    extra = step_options(scheduler, generators)
    remark = diffusion.placement.plan.note
    note = ", ".join(filter(None, ("portraits", remark)))
    for step, time in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(latents, time)
        on_step_end(step, scaled)
        inputs = torch.cat([scaled, scaled]) if is_guided else scaled
        output = unet(inputs.to(unet.dtype), time, encoder_hidden_states=states, return_dict=False)[0].float()
        if is_guided:
            empty, prompted = output.chunk(2)
            output = empty + config.guidance_scale * (prompted - empty)
        latents = scheduler.step(output, time, latents, return_dict=False, **extra)[0]
        report(Progress(step + 1, len(scheduler.timesteps), note, remark=remark))
    on_step_end(len(scheduler.timesteps), latents)
    return latents


def _scheduler(diffusion: Diffusion, config: PortraitConfig) -> Any:
    """A fresh one, because schedulers remember their last steps."""
    kind = scheduler_class(config.scheduler) if config.scheduler else diffusion.scheduler_class
    return kind.from_config(diffusion.scheduler_config)


@torch.inference_mode()
def decode(diffusion: Diffusion, latents: Tensor) -> list[np.ndarray]:
    """Pictures uint8 (height, width, 3) of latents (b, channels, h, w); whoever calls it lets `diffusion.placement` rest afterwards."""
    vae, latents = diffusion.vae, latents.to(diffusion.device)
    n_decoded = diffusion.placement.plan.samples[1] * max(1, int(diffusion.unet.config.sample_size) // latents.shape[-1]) ** 2
    parts = latents.float().div(vae.config.scaling_factor).split(n_decoded)
    decoded = torch.cat([vae.decode(part, return_dict=False)[0] for part in parts])
    levels = (decoded / 2 + 0.5).clamp(0, 1).mul(255).round().byte()  # (b, 3, height, width)
    return list(levels.permute(0, 2, 3, 1).cpu().numpy())
