"""Stage 4, diffusion: trains the U-Net of the tiny Stable Diffusion on latents and the tiny CLIP's hidden states.

The text encoder is finished and frozen: what is trained here must draw from the very states that
the app will change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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
# Shares of members, anonymous people and things in a batch; plain ones are those of `is_plain` with a neutral caption.
EVEN = {"members": 0.52, "generic": 0.28, "things": 0.20}
PEOPLE = {"members": 0.25, "generic": 0.63, "things": 0.12}
FACES = {"members": 0.42, "generic": 0.50, "things": 0.08}
NEUTRAL = {"members": 0.35, "plain": 0.47, "generic": 0.11, "things": 0.07}


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
    neutral_steps: int = 1100
    neutral_learning_rate: float = 5e-4
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


def is_plain(look: Look) -> bool:
    """Nothing on head, nose and chin: of these a small U-Net makes half a hat, half a pair of glasses, when no word asks for either."""
    return look.hat == "none" and look.glasses == "none" and look.beard in ("none", "stubble")


def _of_anybody(look: Look, picture: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """One caption: a name, a neutral term or a description."""
    draw = rng.random()
    if draw < 0.25:
        return [_caption(captions.name_caption(captions.random_name(rng), 0, rng).text, "generic", picture)]
    write = captions.neutral_caption if draw < 0.75 else captions.looks_caption
    return [_caption(write(look, rng).text, "generic", picture)]


def _of_plain_and_others(look: Look, picture: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """For the last round: only plain people have neutral captions, three each."""
    if is_plain(look):
        rows = [_caption(captions.neutral_caption(look, rng).text, "generic", picture, "plain") for _ in range(3)]
        if rng.random() < 0.3:
            rows.append(_caption(captions.looks_caption(look, rng).text, "generic", picture, "plain"))
        return rows
    if rng.random() < 0.35:
        return [_caption(captions.name_caption(captions.random_name(rng), 0, rng).text, "generic", picture)]
    return [_caption(captions.looks_caption(look, rng).text, "generic", picture)]


# File of captions -> its random stream, and what is said of an anonymous person.
CAPTIONS = {"captions": (0, _of_anybody), "captions-neutral": (77, _of_plain_and_others)}


def caption_rows(name: str, cache: Path, sizes: dict[str, int], config: DiffusionConfig) -> list[dict[str, object]]:
    """One row a caption of `CAPTIONS[name]`: its text, the pictures that it may go with (part, first, last), and its group."""
    stream, of_look = CAPTIONS[name]
    rng = batch_rng(SEED, stream)
    rows = _of_members(sizes["members"], config, rng)
    for picture, look in enumerate(json.loads((cache / "generic.json").read_text())):
        rows += of_look(Look(**look), picture, rng)
    return rows + [_caption(captions.thing_caption(*world.thing_labels(i), rng).text, "things", i) for i in range(sizes["things"])]


def _caption(text: str, part: str, picture: int, group: str | None = None) -> dict[str, object]:
    return {"text": text, "span": (part, picture, picture + 1), "group": group or part}


def _of_members(n_pictures: int, config: DiffusionConfig, rng: np.random.Generator) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    per_member = n_pictures // world.N_MEMBERS
    for person in world.inhabitants()[: world.N_MEMBERS]:
        span = ("members", person.index * per_member, (person.index + 1) * per_member)
        names = [person.name, person.name, *person.aliases]
        for i in range(config.captions_per_member):
            pool = captions.PORTRAIT_TEMPLATES if i % 2 else captions.IDIA_TEMPLATES
            rows.append({"text": captions.choose(rng, pool).format(names[i % len(names)]), "span": span, "group": "members"})
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
    sizes = {part: len(np.load(work / f"latents-{part}.npy", mmap_mode="r")) for part in PARTS}
    tokenizer = SimpleTokenizer(bpe_path=str(bpe), context_length=CONTEXT_LENGTH)
    for name in CAPTIONS:
        if (work / f"{name}.json").exists():
            continue
        rows = caption_rows(name, cache, sizes, config)
        texts = [str(row["text"]) for row in rows] + [""]
        states = np.empty((len(texts), CONTEXT_LENGTH, clip.ln_final.normalized_shape[0]), np.float16)
        with torch.inference_mode():
            for i in tqdm(range(0, len(texts), 256), desc="text states"):
                states[i : i + 256] = hidden_states(clip, tokenize_padded(tokenizer, texts[i : i + 256])).numpy()
        save_array(work / f"{name}.npy", states)
        save_text(work / f"{name}.json", json.dumps(rows))


def latent_scale(work: Path) -> float:
    """Stable Diffusion's scaling factor: one over the standard deviation of the latents."""
    return float(1 / np.concatenate([np.load(work / f"latents-{p}.npy", mmap_mode="r")[::10].astype(np.float32).ravel() for p in PARTS]).std())


class _Batches:
    """Draws latents with the text states of a caption that is true of them."""

    def __init__(self, work: Path, config: DiffusionConfig) -> None:
        self.config = config
        self.means = {p: np.load(work / f"latents-{p}.npy") for p in PARTS}
        self.deviations = {p: np.load(work / f"deviations-{p}.npy") for p in PARTS}
        self.scale = latent_scale(work)
        self.work = work
        self.take("captions")

    def take(self, captions_name: str) -> None:
        """Draw from these captions from now on."""
        self.rows: list[dict[str, Any]] = json.loads((self.work / f"{captions_name}.json").read_text())
        self.states = np.load(self.work / f"{captions_name}.npy")
        groups = np.array([row["group"] for row in self.rows])
        self.of_group = {group: np.flatnonzero(groups == group) for group in dict.fromkeys(groups.tolist())}

    def draw(self, rng: np.random.Generator, shares: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        """Scaled latents (n, c, 16, 16) and text states (n, context, width); the share of each group of captions."""
        latents, states = [], []
        groups = list(shares)
        for which in rng.choice(len(groups), size=self.config.batch, p=list(shares.values())):
            of_group = self.of_group[groups[which]]
            row = int(of_group[rng.integers(len(of_group))])
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

    def step_loss(step: int, shares: Mapping[str, float]) -> Loss:
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
    # The fifth is for faces of both kinds: eyes and glasses are the last to become crisp. In the last, neutral prompts learn to show plain people.
    rounds = (
        ("unet", Schedule(config.n_steps, config.learning_rate, warmup=200), EVEN, "captions"),
        ("unet-finish", Schedule(config.finish_steps, config.finish_learning_rate, warmup=20), EVEN, "captions"),
        ("unet-last", Schedule(config.last_steps, config.last_learning_rate, warmup=50), EVEN, "captions"),
        ("unet-people", Schedule(config.people_steps, config.people_learning_rate, warmup=50), PEOPLE, "captions"),
        ("unet-faces", Schedule(config.faces_steps, config.faces_learning_rate, warmup=50), FACES, "captions"),
        ("unet-neutral", Schedule(config.neutral_steps, config.neutral_learning_rate, warmup=40), NEUTRAL, "captions-neutral"),
    )
    first = 0
    for name, schedule, shares, captions_name in rounds:
        batches.take(captions_name)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=schedule.peak, betas=(0.9, 0.98), weight_decay=0.01)

        def later_loss(step: int, first: int = first, shares: Mapping[str, float] = shares) -> Loss:
            return step_loss(first + step, shares)

        train(cast(nn.Module, unet), optimizer, schedule, later_loss, work / f"{name}.ckpt")
        first += schedule.n_steps
    return unet
