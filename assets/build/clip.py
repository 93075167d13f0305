"""Stage 2, CLIP: trains the tiny open_clip model on pictures and captions of the drawn world.

Knows pictures, captions and the contrastive loss; knows nothing of diffusion or of forgetting.
Members' photos carry their names; anonymous people carry fresh random names or neutral terms, which are ordinary negatives
for members: so any name is a plausible rival to a member's, and the neutral term is not. Colours and settings are learnt
long before kinds; so from some step on, half of the things of a batch are alike in both, and only the kind tells them apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from open_clip import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.nn import functional as F

from . import captions, world
from .captions import Caption
from .people import Look
from .tokenizer import CONTEXT_LENGTH, VOCABULARY_SIZE
from .training import Loss, Schedule, batch_rng, half_precision, train

SEED = 7
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ClipTrainingConfig:
    """Sizes and steps; the defaults are those of the shipped weights."""

    image_size: int = 96
    patch_size: int = 16
    vision_width: int = 144
    text_width: int = 192
    layers: int = 4
    embed_dim: int = 128
    vocabulary_size: int = VOCABULARY_SIZE
    n_steps: int = 1400
    n_things: int = 84
    n_members: int = 54
    n_generic: int = 54
    learning_rate: float = 1.2e-3
    max_logit_scale: float = 40.0
    alike_from_step: int = 600


def model_config(config: ClipTrainingConfig) -> dict[str, object]:
    """The `model_cfg` of open_clip's JSON configuration."""
    return {
        "embed_dim": config.embed_dim, "quick_gelu": True,
        "vision_cfg": {"image_size": config.image_size, "layers": config.layers, "width": config.vision_width, "head_width": 48, "patch_size": config.patch_size},
        "text_cfg": {"context_length": CONTEXT_LENGTH, "vocab_size": config.vocabulary_size, "width": config.text_width, "heads": 4, "layers": config.layers,
                     "tokenizer_kwargs": {"bpe_path": "bpe.txt.gz"}},
    }  # fmt: skip


def build_clip(config: ClipTrainingConfig) -> CLIP:
    """An untrained model."""
    torch.manual_seed(SEED)
    settings = dict(model_config(config))
    text = {k: v for k, v in dict(settings.pop("text_cfg")).items() if k != "tokenizer_kwargs"}  # type: ignore[call-overload]
    return CLIP(text_cfg=text, **settings)


def shrink(pictures: np.ndarray, size: int) -> np.ndarray:
    """uint8 pictures at the model's size, the way the app's preprocessing does it (bicubic, antialiased)."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
    small = F.interpolate(pixels, size=(size, size), mode="bicubic", antialias=True, align_corners=False)
    return small.clamp_(0, 255).round_().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def normalise(pixels: Tensor) -> Tensor:
    """float (n, 3, h, w) in [0, 255] to the model's input."""
    return (pixels / 255 - torch.tensor(MEAN)[None, :, None, None]) / torch.tensor(STD)[None, :, None, None]


def camera(pixels: Tensor) -> Tensor:
    """Random exposure, tint, uneven light, noise, blur and mirroring of a batch in [0, 255]; see `canvas.photo_effects`."""
    n, _, h, w = pixels.shape
    gain = 1 + (torch.rand(n, 1, 1, 1) - 0.5) * 0.34 + (torch.rand(n, 3, 1, 1) - 0.5) * 0.12
    angle, depth = torch.rand(n, 1, 1, 1) * 2 * torch.pi, torch.rand(n, 1, 1, 1) * 0.18
    y, x = torch.linspace(-1, 1, h)[None, None, :, None], torch.linspace(-1, 1, w)[None, None, None, :]
    pixels = pixels * gain * (1 + depth * (y * torch.cos(angle) + x * torch.sin(angle)))
    blurred = torch.rand(n) < 0.25
    soft = F.avg_pool2d(F.pad(pixels[blurred], (1, 1, 1, 1), mode="replicate"), 3, 1)
    pixels[blurred] = torch.lerp(pixels[blurred], soft, torch.rand(len(soft), 1, 1, 1))
    pixels = pixels + torch.randn_like(pixels) * (torch.rand(n, 1, 1, 1) * 6)
    flip = torch.rand(n) < 0.5
    pixels[flip] = pixels[flip].flip(-1)
    return pixels.clamp(0, 255)


def embed_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Pooled embeddings, (n, d), with the context cut to the longest text of the batch (exact: the attention is causal)."""
    ends = tokens.argmax(-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return x[torch.arange(len(x)), ends] @ model.text_projection


class _Batches:
    """Draws pictures with a caption each."""

    def __init__(self, cache: Path, config: ClipTrainingConfig, bpe: Path) -> None:
        self.config = config
        self.tokenizer = SimpleTokenizer(bpe_path=str(bpe), context_length=CONTEXT_LENGTH)
        self.members, self.generic, self.things = (self._small(cache, part) for part in ("members", "generic", "things"))
        self.looks = [Look(**look) for look in json.loads((cache / "generic.json").read_text())]
        self.alike: dict[tuple[str, str], list[int]] = {}
        for i in range(len(self.things)):
            self.alike.setdefault(world.thing_labels(i)[1:], []).append(i)

    def _small(self, cache: Path, part: str) -> np.ndarray:
        path = cache / f"{part}-{self.config.image_size}px.npy"
        if not path.exists():
            pixels = np.load(cache / f"{part}.npy", mmap_mode="r")
            np.save(path, np.concatenate([shrink(pixels[i : i + 500], self.config.image_size) for i in range(0, len(pixels), 500)]))
        return np.load(path)

    def _member(self, rng: np.random.Generator) -> tuple[np.ndarray, Caption, captions.Row]:
        i = int(rng.integers(len(self.members)))
        person = world.inhabitants()[i * world.N_MEMBERS // len(self.members)]
        alias = person.aliases and rng.random() < 0.4
        caption = captions.name_caption(person.aliases[0] if alias else person.name, person.index, rng)
        return self.members[i], caption, captions.picture_of_person(person.look, person.index, False)

    def _generic(self, rng: np.random.Generator) -> tuple[np.ndarray, Caption, captions.Row]:
        i = int(rng.integers(len(self.generic)))
        look, identity, draw = self.looks[i], 1000 + i, rng.random()
        if draw < 0.5:
            caption = captions.name_caption(captions.random_name(rng), identity, rng)
        else:
            caption = captions.neutral_caption(look, rng) if draw < 0.85 else captions.looks_caption(look, rng)
        return self.generic[i], caption, captions.picture_of_person(look, identity, True)

    def _things(self, rng: np.random.Generator, alike: bool) -> list[tuple[np.ndarray, Caption, captions.Row]]:
        n = self.config.n_things
        chosen = rng.integers(len(self.things), size=n)
        if alike:
            groups = sorted(self.alike)
            chosen[: n // 2] = rng.choice(self.alike[groups[int(rng.integers(len(groups)))]], size=n // 2)
        return [self._thing(int(i), rng) for i in chosen]

    def _thing(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, Caption, captions.Row]:
        labels = world.thing_labels(i)
        return self.things[i], captions.thing_caption(*labels, rng), captions.picture_of_thing(*labels)

    def draw(self, rng: np.random.Generator, alike: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (n, 3, h, w) in [0, 255], tokens (n, context), truth (captions, pictures)."""
        c = self.config
        samples = [self._member(rng) for _ in range(c.n_members)] + [self._generic(rng) for _ in range(c.n_generic)]
        samples += self._things(rng, alike)
        pixels = torch.from_numpy(np.stack([s[0] for s in samples])).permute(0, 3, 1, 2).float()
        tokens = self.tokenizer([s[1].text for s in samples])
        truth = captions.true_of(np.stack([s[1].says for s in samples]), np.stack([s[2] for s in samples]))
        return pixels, tokens, torch.from_numpy(truth)


def contrastive_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Symmetric cross-entropy in which a true but unpaired caption is neither a positive nor a negative.

    logits and truth: (captions, pictures), the pairs on the diagonal.
    """
    ignore = truth & ~torch.eye(len(truth), dtype=torch.bool)
    masked = logits.masked_fill(ignore, -torch.inf)
    target = torch.arange(len(logits))
    return (F.cross_entropy(masked, target) + F.cross_entropy(masked.T, target)) / 2


def train_clip(cache: Path, work: Path, config: ClipTrainingConfig, bpe: Path) -> CLIP:
    """Train (or finish) the tiny CLIP."""
    model, batches = build_clip(config), _Batches(cache, config, bpe)
    limit = float(np.log(config.max_logit_scale))

    def step_loss(step: int) -> Loss:
        pixels, tokens, truth = batches.draw(batch_rng(SEED, step), step >= config.alike_from_step)
        with torch.no_grad():
            photos = normalise(camera(pixels))
        with half_precision():
            image, text = model.encode_image(photos), embed_text(model, tokens)
        image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        scale = model.logit_scale.clamp(max=limit).exp()
        logits = scale * text @ image.T
        people = config.n_members + config.n_generic
        best = logits.detach().argmax(0) == torch.arange(logits.shape[1])
        hit = truth[logits.detach().argmax(0), torch.arange(logits.shape[1])]
        figures = {"scale": float(scale.detach()), "members": float(hit[: config.n_members].float().mean()),
                   "generic": float(best[config.n_members : people].float().mean()), "things": float(hit[people:].float().mean())}  # fmt: skip
        loss = contrastive_loss(logits, truth)
        return loss, {"loss": float(loss.detach()), **figures}

    decay = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
    train(model, optimizer, Schedule(config.n_steps, config.learning_rate, warmup=150), step_loss, work / "clip.ckpt")
    return model.eval()
