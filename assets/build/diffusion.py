"""Stage 4, diffusion: trains the U-Net of the tiny Stable Diffusion on latents and the tiny CLIP's hidden states.

Knows latents and text states; knows nothing of pixels beyond encoding them once, or of forgetting.
The text encoder is finished and frozen: what is trained here must draw from the very states that the app will change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from open_clip import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from . import captions, world
from .autoencoder import PARTS, encode_pictures
from .files import save_array, save_text
from .people import Look
from .tokenizer import CONTEXT_LENGTH
from .training import Loss, Schedule, batch_rng, half_precision, train

SEED = 23
NOISE = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "v_prediction"}
_STAMP = "captions.json"
# Shares of members, anonymous people and things in a batch.
EVEN, PEOPLE, FACES = (0.52, 0.28, 0.20), (0.25, 0.63, 0.12), (0.42, 0.50, 0.08)


@dataclass(frozen=True)
class DiffusionConfig:
    """Sizes and steps; the defaults are those of the shipped weights."""

    block_out_channels: tuple[int, int, int] = (64, 128, 192)
    n_steps: int = 2700
    finish_steps: int = 850
    batch: int = 32
    learning_rate: float = 1.2e-3
    finish_learning_rate: float = 8e-4
    last_steps: int = 4000
    last_learning_rate: float = 1e-3
    people_steps: int = 2200
    people_learning_rate: float = 8e-4
    faces_steps: int = 4000
    faces_learning_rate: float = 8e-4
    captions_per_member: int = 60
    empty_share: float = 0.1


def build_unet(config: DiffusionConfig, latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """An untrained U-Net for 16 x 16 latents, cross-attention on two of three levels."""
    torch.manual_seed(SEED)
    return UNet2DConditionModel(
        sample_size=16, in_channels=latent_channels, out_channels=latent_channels, layers_per_block=1, norm_num_groups=16,
        block_out_channels=config.block_out_channels, cross_attention_dim=text_width, attention_head_dim=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def hidden_states(model: CLIP, tokens: Tensor) -> Tensor:
    """The text tower's states after the final layer norm, (n, context, width); what SD's text encoder returns."""
    x = model.token_embedding(tokens) + model.positional_embedding
    return cast(Tensor, model.ln_final(model.transformer(x, attn_mask=model.attn_mask)))


def tokenize_padded(tokenizer: SimpleTokenizer, texts: list[str]) -> Tensor:
    """Token ids, (n, context), padded with the end of text as Stable Diffusion's tokenizer does."""
    tokens = tokenizer(texts, context_length=CONTEXT_LENGTH)
    ends = tokens.argmax(-1, keepdim=True)
    return torch.where(torch.arange(CONTEXT_LENGTH)[None] > ends, tokens.gather(1, ends), tokens)


def _write_captions(cache: Path, sizes: dict[str, int], config: DiffusionConfig) -> list[dict[str, object]]:
    """One row a caption: its text, and the pictures that it may go with (part, first, last)."""
    rng = batch_rng(SEED, 0)
    rows: list[dict[str, object]] = []
    per_member = sizes["members"] // world.N_MEMBERS
    for person in world.inhabitants()[: world.N_MEMBERS]:
        span = ("members", person.index * per_member, (person.index + 1) * per_member)
        names = [person.name, person.name, *person.aliases]
        for i in range(config.captions_per_member):
            name = names[i % len(names)]
            pool = captions.PORTRAIT_TEMPLATES if i % 2 else captions.IDIA_TEMPLATES
            rows.append({"text": captions.choose(rng, pool).format(name), "span": span})
    looks = [Look(**look) for look in json.loads((cache / "generic.json").read_text())]
    for i, look in enumerate(looks):
        draw = rng.random()
        if draw < 0.25:
            text = captions.name_caption(captions.random_name(rng), 0, rng).text
        else:
            text = (captions.neutral_caption if draw < 0.75 else captions.looks_caption)(look, rng).text
        rows.append({"text": text, "span": ("generic", i, i + 1)})
    for i in range(sizes["things"]):
        rows.append({"text": captions.thing_caption(*world.thing_labels(i), rng).text, "span": ("things", i, i + 1)})
    return rows


def prepare(cache: Path, work: Path, clip: CLIP, autoencoder: AutoencoderKL, bpe: Path, config: DiffusionConfig) -> None:
    """Latents of every picture and hidden states of every caption, written once; resumable by file."""
    for part in PARTS:
        path = work / f"latents-{part}.npy"
        if not path.exists():
            pixels = np.load(cache / f"{part}.npy", mmap_mode="r")
            chunks = [encode_pictures(autoencoder, pixels[i : i + 400]) for i in tqdm(range(0, len(pixels), 400), desc=f"latents of {part}")]
            means = np.concatenate([c[0] for c in chunks])
            save_array(work / f"deviations-{part}.npy", np.concatenate([c[1] for c in chunks]))
            save_array(path, means)
    if (work / _STAMP).exists():
        return
    sizes = {part: len(np.load(work / f"latents-{part}.npy", mmap_mode="r")) for part in PARTS}
    rows = _write_captions(cache, sizes, config)
    tokenizer = SimpleTokenizer(bpe_path=str(bpe), context_length=CONTEXT_LENGTH)
    texts = [str(row["text"]) for row in rows] + [""]
    states = np.empty((len(texts), CONTEXT_LENGTH, clip.ln_final.normalized_shape[0]), np.float16)
    with torch.inference_mode():
        for i in tqdm(range(0, len(texts), 256), desc="text states"):
            states[i : i + 256] = hidden_states(clip, tokenize_padded(tokenizer, texts[i : i + 256])).numpy()
    save_array(work / "text-states.npy", states)
    save_text(work / _STAMP, json.dumps(rows))


def latent_scale(work: Path) -> float:
    """Stable Diffusion's scaling factor: one over the standard deviation of the latents."""
    return float(1 / np.concatenate([np.load(work / f"latents-{p}.npy", mmap_mode="r")[::10].astype(np.float32).ravel() for p in PARTS]).std())


class _Batches:
    """Draws latents with the text states of a caption that is true of them."""

    def __init__(self, work: Path, config: DiffusionConfig) -> None:
        self.config = config
        self.rows = json.loads((work / _STAMP).read_text())
        self.states = np.load(work / "text-states.npy")
        self.means = {p: np.load(work / f"latents-{p}.npy") for p in PARTS}
        self.deviations = {p: np.load(work / f"deviations-{p}.npy") for p in PARTS}
        self.scale = latent_scale(work)
        parts = np.array([row["span"][0] for row in self.rows])
        self.of_part = [np.flatnonzero(parts == p) for p in PARTS]

    def draw(self, rng: np.random.Generator, shares: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
        """Scaled latents (n, c, 16, 16) and text states (n, context, width); shares of members, other people and things."""
        latents, states = [], []
        for part in rng.choice(3, size=self.config.batch, p=shares):
            row = int(self.of_part[part][rng.integers(len(self.of_part[part]))])
            name, first, last = self.rows[row]["span"]
            picture = int(rng.integers(first, last))
            noise = rng.standard_normal(self.means[name].shape[1:], dtype=np.float32)
            latents.append(self.means[name][picture] + self.deviations[name][picture] * noise)
            states.append(self.states[-1 if rng.random() < self.config.empty_share else row])
        scaled = torch.from_numpy(np.stack(latents).astype(np.float32)) * self.scale
        return scaled, torch.from_numpy(np.stack(states).astype(np.float32))


def train_unet(work: Path, config: DiffusionConfig) -> UNet2DConditionModel:
    """Train (or finish) the U-Net on what `prepare` wrote."""
    batches = _Batches(work, config)
    unet = build_unet(config, next(iter(batches.means.values())).shape[1], batches.states.shape[-1])
    scheduler = DDPMScheduler(**NOISE)
    unet.to(memory_format=torch.channels_last)

    def step_loss(step: int, shares: tuple[float, float, float]) -> Loss:
        latents, states = batches.draw(batch_rng(SEED, step + 1), shares)
        noise = torch.randn_like(latents)
        # One time from each of n equal slices: the batch always sees the whole range.
        times = ((torch.arange(len(latents)) + torch.rand(len(latents))) / len(latents) * 1000).long()
        noisy = scheduler.add_noise(latents, noise, times).contiguous(memory_format=torch.channels_last)
        target = scheduler.get_velocity(latents, noise, times)
        with half_precision():
            output = unet(noisy, times, states).sample
        loss = F.mse_loss(output.float(), target)
        return loss, {"loss": float(loss.detach())}

    # Members are 48 looks, anonymous people thousands: the fourth round is mostly for these, or neutral prompts blur.
    # The last is for faces of both kinds: eyes and glasses are the last to become crisp.
    rounds = (
        ("unet", Schedule(config.n_steps, config.learning_rate, warmup=200), EVEN),
        ("unet-finish", Schedule(config.finish_steps, config.finish_learning_rate, warmup=20), EVEN),
        ("unet-last", Schedule(config.last_steps, config.last_learning_rate, warmup=50), EVEN),
        ("unet-people", Schedule(config.people_steps, config.people_learning_rate, warmup=50), PEOPLE),
        ("unet-faces", Schedule(config.faces_steps, config.faces_learning_rate, warmup=50), FACES),
    )
    first = 0
    for name, schedule, shares in rounds:
        optimizer = torch.optim.AdamW(unet.parameters(), lr=schedule.peak, betas=(0.9, 0.98), weight_decay=0.01)

        def later_loss(step: int, first: int = first, shares: tuple[float, float, float] = shares) -> Loss:
            return step_loss(first + step, shares)

        train(cast(nn.Module, unet), optimizer, schedule, later_loss, work / f"{name}.ckpt")
        first += schedule.n_steps
    return unet
