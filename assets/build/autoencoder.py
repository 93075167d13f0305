"""Stage 3, autoencoder: trains the AutoencoderKL of the tiny Stable Diffusion on the rendered pictures.

Crops of faces come first (small features are what an f = 8 autoencoder loses), whole pictures
follow, at last the decoder alone, which leaves latents valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from .training import Loss, Schedule, batch_rng, half_precision, train

SEED = 11
PARTS = ("members", "generic", "things")


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes and steps; the defaults are those of the shipped weights."""

    block_out_channels: tuple[int, ...] = (16, 32, 64, 96)
    latent_channels: int = 12
    crop_steps: int = 4200
    whole_steps: int = 1000
    decoder_steps: int = 150
    crop_batch: int = 12
    whole_batch: int = 4
    learning_rate: float = 2e-3
    kl_weight: float = 2e-6


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """An untrained autoencoder, f = 8."""
    torch.manual_seed(SEED)
    levels = len(config.block_out_channels)
    return AutoencoderKL(
        in_channels=3, out_channels=3, sample_size=128, layers_per_block=1, norm_num_groups=8, mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.block_out_channels, latent_channels=config.latent_channels,
    )  # fmt: skip


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (n, h, w, 3) to float in [-1, 1], (n, 3, h, w)."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class _Sampler:
    """Draws batches: half members and generic people, a third things."""

    def __init__(self, cache: Path) -> None:
        self.pixels = [np.load(cache / f"{part}.npy", mmap_mode="r") for part in PARTS]

    def whole(self, rng: np.random.Generator, n: int) -> Tensor:
        """n pictures, (n, 3, 128, 128)."""
        parts = rng.choice(3, size=n, p=(0.36, 0.36, 0.28))
        return to_tensor(np.stack([self.pixels[p][rng.integers(len(self.pixels[p]))] for p in parts]))

    def crops(self, rng: np.random.Generator, n: int, side: int = 64) -> Tensor:
        """n crops; those of people mostly show the face."""
        parts = rng.choice(3, size=n, p=(0.38, 0.38, 0.24))
        out = np.empty((n, side, side, 3), np.uint8)
        for i, part in enumerate(parts):
            picture = self.pixels[part][rng.integers(len(self.pixels[part]))]
            x, y = rng.integers(0, 128 - side + 1, 2)
            if part != 2 and rng.random() < 0.7:
                x, y = 32 + rng.integers(-12, 13), 34 + rng.integers(-14, 15)
            crop = picture[y : y + side, x : x + side]
            out[i] = crop[:, ::-1] if rng.random() < 0.5 else crop
        return to_tensor(out)


def _gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 and squared error, and L1 of the picture's gradients, which keeps outlines sharp."""
    (ox, oy), (tx, ty) = _gradients(output), _gradients(target)
    return F.l1_loss(output, target) + 2 * F.mse_loss(output, target) + F.l1_loss(ox, tx) + F.l1_loss(oy, ty)


def psnr(output: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1]."""
    return float(10 * torch.log10(4 / F.mse_loss(output.clamp(-1, 1), target)))


def train_autoencoder(cache: Path, work: Path, config: AutoencoderConfig, decoder_only: bool = False) -> AutoencoderKL:
    """Train (or finish) the autoencoder; with `decoder_only` the last phase, on a trained one."""
    model = build_autoencoder(config)
    sampler = _Sampler(cache)
    if decoder_only:
        return _tune_decoder(model, sampler, work, config)

    def step_loss(step: int) -> Loss:
        rng = batch_rng(SEED, step)
        crops = step < config.crop_steps
        pictures = sampler.crops(rng, config.crop_batch) if crops else sampler.whole(rng, config.whole_batch)
        with half_precision():
            latents = model.encode(pictures).latent_dist
            output = model.decode(latents.sample()).sample.float()
        kl = latents.kl().float().mean()
        return reconstruction_loss(output, pictures) + config.kl_weight * kl, {"psnr": psnr(output.detach(), pictures), "kl": float(kl.detach())}

    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = Schedule(config.crop_steps + config.whole_steps, config.learning_rate, config.learning_rate * 0.1)
    train(cast(nn.Module, model), optimizer, schedule, step_loss, work / "autoencoder.ckpt")
    return model


def _tune_decoder(model: AutoencoderKL, sampler: _Sampler, work: Path, config: AutoencoderConfig) -> AutoencoderKL:
    model.load_state_dict(torch.load(work / "autoencoder.ckpt", weights_only=True)["model"])
    decoder = nn.ModuleList([cast(nn.Module, model.post_quant_conv), cast(nn.Module, model.decoder)])

    def step_loss(step: int) -> Loss:
        pictures = sampler.whole(batch_rng(SEED + 1, step), config.whole_batch)
        with torch.no_grad():
            latents = model.encode(pictures).latent_dist.sample()
        output = model.decode(latents).sample
        return reconstruction_loss(output, pictures), {"psnr": psnr(output.detach(), pictures)}

    optimizer = torch.optim.AdamW(decoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = Schedule(config.decoder_steps, config.learning_rate * 0.4, warmup=10)
    train(decoder, optimizer, schedule, step_loss, work / "decoder.ckpt")
    return model


@torch.inference_mode()
def encode_pictures(model: AutoencoderKL, pictures: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Latent means and standard deviations, float16 (n, channels, 16, 16) each, before scaling."""
    means, deviations = [], []
    for start in range(0, len(pictures), batch):
        latents = model.encode(to_tensor(pictures[start : start + batch])).latent_dist
        means.append(latents.mean.numpy().astype(np.float16))
        deviations.append(latents.std.numpy().astype(np.float16))
    return np.concatenate(means), np.concatenate(deviations)
