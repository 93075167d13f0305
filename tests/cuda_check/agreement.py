"""Whether a device computes what the CPU does: embeddings, losses of text and image steps, latents."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from tests.cuda_check.rows import Row
from tests.cuda_check.sizes import Sizes, diffusion_on, task_of, text_on
from unlearn.bench.images import EMBED_DIM, full_size_image, random_pictures
from unlearn.config import ImageFineTuneConfig, PortraitConfig
from unlearn.defence.image_task import TrainingPictures, image_task
from unlearn.defence.loop import FineTuning
from unlearn.defence.students import student_of
from unlearn.models import diffusion as drawing
from unlearn.models.diffusion import Condition
from unlearn.texts.captions import generate_captions

SECTION = "agreement"
NAME = "ViT-B-32-quickgelu"
BARS = {torch.float32: 1e-4, torch.bfloat16: 1e-2}
LATENTS_BARS = {torch.float32: 1e-4, torch.bfloat16: 5e-2}  # guidance and five steps multiply the rounding: 2 % measured on a CPU
SHOWN = {torch.float32: "fp32", torch.bfloat16: "bf16"}
N_STEPS = 5  # of the latents


def agreement(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A row for each quantity and precision: the largest difference to float32 on the CPU."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")  # tf32 would be the difference that is found
    cpu = torch.device("cpu")
    try:
        texts, losses = _embeddings(cpu, sizes, torch.float32), _text_losses(cpu, sizes, torch.float32)
        image, latents = _image_loss(cpu, sizes, torch.float32), _latents(cpu, sizes, torch.float32)
        for kind, bar in BARS.items():
            there = _embeddings(device, sizes, kind)
            for name, ours, theirs in zip(("pooled embeddings", "hidden states"), there, texts, strict=True):
                yield _row(name, kind, float((ours - theirs).abs().max()), bar)
            yield _row("losses over 3 text steps", kind, float((_text_losses(device, sizes, kind) - losses).abs().max()), bar)
            yield _row("loss of an image step", kind, abs(_image_loss(device, sizes, kind) - image), bar)
            difference = (_latents(device, sizes, kind) - latents).norm() / latents.norm()
            yield _row(f"latents after {N_STEPS} steps, relative", kind, float(difference), LATENTS_BARS[kind])
    finally:
        torch.set_float32_matmul_precision(before)


def _row(name: str, kind: torch.dtype, difference: float, bar: float) -> Row:
    return Row(SECTION, f"{name}, {SHOWN[kind]}", difference, most=bar)


@torch.no_grad()
def _embeddings(device: torch.device, sizes: Sizes, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Directions of pooled embeddings and of hidden states, on the CPU."""
    encoder = text_on(NAME, device, sizes, kind)
    hidden, pooled = encoder.hidden_and_pooled(encoder.tokenize(generate_captions(16, seed=3)))
    return functional.normalize(pooled, dim=-1).cpu(), functional.normalize(hidden, dim=-1).cpu()


def _text_losses(device: torch.device, sizes: Sizes, kind: torch.dtype) -> Tensor:
    encoder = text_on(NAME, device, sizes, kind)
    task, schedule = task_of(encoder, ("pooled", "hidden"), 1 if sizes.is_small else 4)  # a CPU takes seconds for a text in bf16
    loop = FineTuning(encoder, student_of(encoder), task, schedule)
    return torch.tensor([loop.step(number)["total"] for number in range(3)])


def _image_loss(device: torch.device, sizes: Sizes, kind: torch.dtype) -> float:
    encoder = full_size_image("cpu", sizes.n_layers).to(device)
    encoder.precision = kind
    schedule = ImageFineTuneConfig(n_steps=1, batch_size=2)
    target = torch.randn(EMBED_DIM, generator=torch.Generator().manual_seed(0))
    task = image_task(encoder, schedule, 0, TrainingPictures(random_pictures(8, 0), [random_pictures(4, 1)]), target)
    return FineTuning(encoder, student_of(encoder), task, schedule).step(0)["total"]


def _latents(device: torch.device, sizes: Sizes, kind: torch.dtype) -> Tensor:
    """Of one portrait; at a quarter of the size, for the CPU's sake."""
    diffusion = diffusion_on(device, sizes, kind, side=8 if sizes.is_small else 32)
    generator = torch.Generator().manual_seed(1)
    condition = Condition(torch.randn(77, 768, generator=generator), torch.randn(77, 768, generator=generator))
    unwatched = partial(drawing.no_step_end, 0)
    return drawing._denoise(diffusion, [(0, condition)], PortraitConfig(n_steps=N_STEPS), lambda progress: None, unwatched).cpu()
