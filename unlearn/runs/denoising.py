"""How both portraits of a seed grow from the same noise: pictures of a few denoising steps, and the step at which they part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unlearn.files import disk_errors
from unlearn.models.diffusion import Diffusion, decode
from unlearn.models.pair import Pair
from unlearn.runs.dial_records import Denoising, DenoisingMoment

N_MOMENTS = 10  # of which pictures are kept, besides the one at which they part
PARTED_SHARE = 0.25  # of the final distance
MAX_SIDE_PX, QUALITY = 256, 85  # of the pictures on the way, which are looked at and prove nothing


class Denoised:
    """A `StepEnd` of `models.diffusion.draw` that keeps the latents of two of its pictures.

    Args:
        places: the numbers of the two pictures, of the original and of the defended model.
    """

    def __init__(self, places: Pair[int]) -> None:
        self._places = places
        self.latents: Pair[list[Tensor]] = Pair([], [])  # after 0, 1, 2... steps

    def __call__(self, first: int, n_done: int, latents: Tensor) -> None:
        for kept, place in zip(self.latents, self._places, strict=True):
            if first <= place < first + len(latents):
                kept.append(latents[place - first].float().cpu().clone())


def distances(latents: Pair[list[Tensor]]) -> tuple[float, ...]:
    """The distance of both latents after each step, relative to their mean length: 0 is the same, about 1.4 is unrelated."""
    pairs = zip(latents.original, latents.defended, strict=True)
    return tuple(float(2 * (before - after).norm() / (before.norm() + after.norm())) for before, after in pairs)


def parted_at(of_steps: Sequence[float], share: float = PARTED_SHARE) -> int | None:
    """The first step after which both are further apart than this share of their final distance; None where they end as one."""
    if of_steps[-1] == 0.0:
        return None
    return next(step for step, distance in enumerate(of_steps) if distance > share * of_steps[-1])


def shown_steps(n_steps: int, parted: int | None) -> list[int]:
    """After which steps pictures are kept: evenly spread from the noise to the end, and the one at which both part."""
    spread = {round(number * n_steps / (N_MOMENTS - 1)) for number in range(N_MOMENTS)}
    return sorted(spread if parted is None else spread | {parted})


def written_denoising(run: Path, folder: str, diffusion: Diffusion, denoised: Denoised, portraits: Pair[str]) -> Denoising:
    """Decode the kept latents, write their pictures, and tell where both part.

    Args:
        run: the run's folder.
        folder: of the pictures, within the run's.
        diffusion: whose decoder is used.
        denoised: the latents.
        portraits: the files of the finished portraits, relative to the run; they are the last pictures.
    """
    latents = denoised.latents
    of_steps = distances(latents)
    parted = parted_at(of_steps)
    steps = shown_steps(len(of_steps) - 1, parted)[:-1]
    try:
        pictures = decode(diffusion, torch.stack([side[step] for side in latents for step in steps]))
    finally:
        diffusion.placement.rest()
    files = Pair(*([f"{folder}/{model}-{step:03d}.webp" for step in steps] for model in Pair._fields))
    with disk_errors("The pictures of the denoising"):
        for file, picture in zip((*files.original, *files.defended), pictures, strict=True):
            _write_small(run / file, picture)
    kept = zip(steps, files.original, files.defended, strict=True)
    moments = [DenoisingMoment(original, defended, n_steps=step) for step, original, defended in kept]
    moments.append(DenoisingMoment(portraits.original, portraits.defended, n_steps=len(of_steps) - 1))
    return Denoising(of_steps, parted, PARTED_SHARE, tuple(moments))


def _write_small(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    image.save(path, quality=QUALITY)
