"""Where the parts of a Stable Diffusion are while it draws, and how many pictures it draws at a time.

`memory_plan` decides; here its needs are read from a folder, and its decision is carried out with accelerate's hooks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object
from unlearn.memory import free_memory
from unlearn.models.diffusion_parts import weight_files
from unlearn.models.memory_plan import DECODER_BYTES, UNET_BYTES, Memory, Part, Plan, memory_plan
from unlearn.models.weight_files import tensors_of

# Latent pixels of one U-Net call: 16 pictures of the embedded set, 2 of Stable Diffusion 1.4, with guidance.
CPU_LATENT_PIXELS = 2 * 16 * 256
GPU_LATENT_PIXELS = 2 * 20 * 4096  # 20 pictures of Stable Diffusion 1.4
DECODED_PIXELS = {"cpu": 4 * 128 * 128, "cuda": 8 * 512 * 512}  # of one call of the decoder


@dataclass(frozen=True)
class Placement:
    """The decision, carried out.

    Attributes:
        device: where the work is done.
        plan: rows of a U-Net call (two a picture, with guidance) and pictures of a decoder call.
        rest: sends what still is on the device back to wait.
    """

    device: torch.device
    plan: Plan
    rest: Callable[[], None] = field(default=lambda: None)


def drawing_plan(folder: Path, device: torch.device, precision: torch.dtype, free: int | None, choice: Memory) -> Plan:
    """How a Stable Diffusion draws on a device.

    Args:
        folder: of diffusers.
        device: where.
        precision: of the U-Net; the decoder stays in float32.
        free: bytes of the device that are free before it is loaded.
        choice: of the settings. On a CPU nothing can wait elsewhere, and "auto" changes nothing.

    Raises:
        ModelLoadError: damaged files.
    """
    unet, vae = (read_json_object(folder / part / "config.json") for part in ("unet", "vae"))
    side = int(unet["sample_size"])
    picture = (side * 2 ** (len(vae.get("block_out_channels", (0,))) - 1)) ** 2
    is_gpu = device.type == "cuda"
    rows = max(1, (GPU_LATENT_PIXELS if is_gpu else CPU_LATENT_PIXELS) // side**2)
    n_decoded = max(1, DECODED_PIXELS["cuda" if is_gpu else "cpu"] // picture)
    drawing = Part(_n_bytes(folder, "unet", precision), UNET_BYTES * precision.itemsize * side**2, rows, least=min(rows, 2))
    decoding = Part(_n_bytes(folder, "vae", torch.float32), DECODER_BYTES * picture, n_decoded)
    return memory_plan("drawing", (drawing, decoding), free if is_gpu else None, choice, can_wait=is_gpu)


def _n_bytes(folder: Path, part: str, kind: torch.dtype) -> int:
    stored = tensors_of(weight_files(folder, part).files)
    return kind.itemsize * sum(math.prod(tensor.shape) for tensor in stored.values())


def require_memory(folder: Path, precision: torch.dtype) -> None:
    """Raise `ModelLoadError` where the weights alone are larger than the free memory: Linux would end the process unasked."""
    needed, free = _n_bytes(folder, "unet", precision) + _n_bytes(folder, "vae", torch.float32), free_memory()
    if free is not None and needed > free:
        raise ModelLoadError(
            f"The memory does not suffice for drawing: U-Net and decoder need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; end "
            "other programs or use a machine with more memory."
        )


def placed(unet: Any, vae: Any, device: torch.device, plan: Plan) -> Placement:
    """Put two modules that are on the CPU where the plan wants them."""
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())  # accelerate takes "cuda" and "cuda:0" for two devices
    if plan.offload == "none":
        for module in (unet, vae):
            module.to(device)
        return Placement(device, plan)
    import accelerate

    if plan.offload == "layers":
        accelerate.cpu_offload(unet, device, offload_buffers=True)
        _, decoder = accelerate.cpu_offload_with_hook(vae, device)
        return Placement(device, plan, decoder.offload)
    _, drawing = accelerate.cpu_offload_with_hook(unet, device)
    _, decoder = accelerate.cpu_offload_with_hook(vae, device, prev_module_hook=drawing)

    def rest() -> None:
        drawing.offload()
        decoder.offload()

    return Placement(device, plan, rest)
