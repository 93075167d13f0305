"""What of the library diffusers is used: two classes of models and its schedulers, and whether a folder's files fit these.

Building a module without its weights and running a scheduler without a module tells before any work what would fail while
drawing.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from unlearn.config import PortraitConfig
from unlearn.errors import ConfigError, ModelLoadError, first_line
from unlearn.files import read_json_object
from unlearn.models.clip_layouts import require_numbers
from unlearn.models.diffusion_parts import USABLE, weight_files
from unlearn.models.weight_files import difference, read_tensors, tensors_of

# What files of a foreign hand lead to in a library that reads them.
FOREIGN = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, AssertionError, ImportError, ArithmeticError,
            SafetensorError)  # fmt: skip
_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # names of old decoders; diffusers reads them
_OLD_ATTENTION = re.compile(r"\.(query|key|value|proj_attn)\.(weight|bias)$")
_ENCODING = ("encoder.", "quant_conv.")  # of a decoder's folder; drawing does without


def _diffusers() -> Any:
    """The library, kept quiet: its progress bars, notices and errors (they are raised, too) are not for a user's terminal."""
    import diffusers

    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    return diffusers


def model_classes() -> dict[str, Any]:
    """By the folder of the part."""
    diffusers = _diffusers()
    return {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}


def scheduler_class(name: str) -> Any:
    diffusers = _diffusers()
    scheduler = getattr(diffusers, name, None)
    if not (inspect.isclass(scheduler) and issubclass(scheduler, diffusers.SchedulerMixin)):
        raise ConfigError(f"{name!r} is no scheduler of diffusers; use such as DPMSolverMultistepScheduler.")
    return scheduler


def step_options(scheduler: Any, generators: list[torch.Generator]) -> dict[str, Any]:
    """What a scheduler's step takes besides, where it draws noise of its own."""
    return {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}


def require_steps(kind: Any, described: dict[str, Any], config: PortraitConfig) -> None:
    """Run a scheduler's steps on one latent pixel that no model touches."""
    try:
        scheduler = kind.from_config(described)
        scheduler.set_timesteps(config.n_steps)
        latents = torch.ones(1, 4, 2, 2) * scheduler.init_noise_sigma
        extra = step_options(scheduler, [torch.Generator().manual_seed(0)])
        for time in scheduler.timesteps:
            inputs = scheduler.scale_model_input(latents, time)
            latents = scheduler.step(inputs, time, latents, return_dict=False, **extra)[0]
    except FOREIGN as error:
        raise ConfigError(
            f"The scheduler {kind.__name__} cannot draw this Stable Diffusion in {config.n_steps} steps ({first_line(error)}); use another "
            "one, such as DPMSolverMultistepScheduler, or more steps."
        ) from error


def require_module(folder: Path, part: str) -> None:
    """Compare what config.json describes with the weights, name by name, and see that these are numbers."""
    model_class, files = model_classes()[part], weight_files(folder, part).files
    try:
        with torch.device("meta"):
            module = model_class.from_config(read_json_object(folder / part / "config.json"))
    except FOREIGN as error:
        raise ModelLoadError(f"{part}/config.json describes no {model_class.__name__}: {first_line(error)}; {USABLE}.") from error
    stored = {_OLD_ATTENTION.sub(_new_attention, name): found for name, found in tensors_of(files).items()}
    needed = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    drawing = {name: shape for name, shape in needed.items() if name in stored or not (part == "vae" and name.startswith(_ENCODING))}
    if found := difference(stored, drawing, f"{part}'s file", f"{part}/config.json"):
        advice = f"copy or download {part}/ again, config.json and weights of one and the same model"
        raise ModelLoadError(f"The Stable Diffusion does not fit: {found}; {advice}.")
    for file in files:
        require_numbers(read_tensors(file).items(), f"{part}/{file.name}")


def _new_attention(match: re.Match[str]) -> str:
    return f".{_ATTENTION[match[1]]}.{match[2]}"
