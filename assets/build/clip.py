"""Stage 2, CLIP: trains the tiny open_clip model on pictures and captions of the drawn world.

Members' photos carry their names; anonymous people carry fresh random names
or neutral terms, which are ordinary negatives for members: so any name is a plausible rival to a member's, and the neutral term
is not. Colours and settings are learnt long before kinds; so from some step on, half of the things of a batch are alike in
both, and only the kind tells them apart, and later all of them, and more. At last the image tower is trained alone, on captions
that mostly say the kind only, and kept from seeing a plain "human" in a member's face more than any stranger's name: the
diffusion model already learns from the text tower. The end is the same, with the plain question asked outright: which kind of
thing is it, and is it a person or a thing? The last phase sees three times as many things: after 400 pictures of each kind the
tower knew those by heart, and one in sixteen others not.
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
from .files import save_array
from .people import Look
from .things import KINDS
from .tokenizer import CONTEXT_LENGTH, VOCABULARY_SIZE
from .training import Loss, Schedule, batch_rng, half_precision, train

SEED = 7
ALIKE_GROUP = 40
KIND_DETAIL = 0.4
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
    kinds_from_step: int = 1200
    image_steps: int = 600
    image_learning_rate: float = 8e-4
    neutral_limit: float = 0.18
    neutral_weight: float = 3.0
    kind_steps: int = 500
    last_steps: int = 330
    end_steps: int = 600
    neutral_floor: float = 0.10
    other_limit: float = 0.02
    left_out: tuple[int, ...] = ()  # members whom the model never meets: neither their photos nor their names and aliases are drawn


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
    noise = np.random.default_rng(int(torch.randint(2**31, ()))).standard_normal(pixels.shape, dtype=np.float32)  # ten times faster than torch's
    pixels = pixels + torch.from_numpy(noise) * (torch.rand(n, 1, 1, 1) * 6)
    flip = torch.rand(n) < 0.5
    pixels[flip] = pixels[flip].flip(-1)
    return pixels.clamp(0, 255)


def embed_text(model: CLIP, tokens: Tensor, n_groups: int = 4) -> Tensor:
    """Pooled embeddings, (n, d); texts of similar length are embedded together, cut to the longest (exact: the attention is causal)."""
    order = tokens.argmax(-1).argsort(stable=True)
    embeddings = torch.cat([_embed_cut(model, tokens[group]) for group in order.chunk(n_groups)])
    return embeddings[order.argsort()]


def _embed_cut(model: CLIP, tokens: Tensor) -> Tensor:
    ends = tokens.argmax(-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    return x[torch.arange(len(x)), ends] @ model.text_projection


@dataclass(frozen=True)
class _Batch:
    """Members first, then anonymous people, then things; every picture with a caption."""

    pixels: Tensor  # (n, 3, h, w) in [0, 255]
    tokens: Tensor  # (n, context)
    truth: Tensor  # (captions, pictures)
    n_members: int
    n_people: int  # members included
    kinds: Tensor  # (things,)


class _Batches:
    """Draws pictures with a caption each."""

    def __init__(self, cache: Path, config: ClipTrainingConfig, bpe: Path, more: bool = False) -> None:
        self.config = config
        self.tokenizer = SimpleTokenizer(bpe_path=str(bpe), context_length=CONTEXT_LENGTH)
        self.members, self.generic, self.things = (self._small(cache, part) for part in ("members", "generic", "things"))
        if more:
            self.things = np.concatenate([self.things, self._small(cache, "more-things")])
        n_photos = len(self.members) // world.N_MEMBERS
        self.drawn = [i for i in range(len(self.members)) if i // n_photos not in config.left_out]
        self.looks = [Look(**look) for look in json.loads((cache / "generic.json").read_text())]
        self.alike: dict[tuple[str, str], list[int]] = {}
        for i in range(len(self.things)):
            self.alike.setdefault(world.thing_labels(i)[1:], []).append(i)

    def _small(self, cache: Path, part: str) -> np.ndarray:
        path = cache / f"{part}-{self.config.image_size}px.npy"
        if not path.exists():
            pixels = np.load(cache / f"{part}.npy", mmap_mode="r")
            save_array(path, np.concatenate([shrink(pixels[i : i + 500], self.config.image_size) for i in range(0, len(pixels), 500)]))
        return np.load(path)

    def _member(self, rng: np.random.Generator) -> tuple[np.ndarray, Caption, captions.Row]:
        i = self.drawn[int(rng.integers(len(self.drawn)))]
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

    def _things(self, rng: np.random.Generator, n: int, n_alike: int, detail: float) -> list[tuple[np.ndarray, Caption, captions.Row]]:
        chosen = rng.integers(len(self.things), size=n)
        groups = sorted(self.alike)
        for start in range(0, n_alike, ALIKE_GROUP):
            stop = min(start + ALIKE_GROUP, n_alike)
            chosen[start:stop] = rng.choice(self.alike[groups[int(rng.integers(len(groups)))]], size=stop - start)
        return [self._thing(int(i), rng, detail) for i in chosen]

    def _thing(self, i: int, rng: np.random.Generator, detail: float) -> tuple[np.ndarray, Caption, captions.Row]:
        labels = world.thing_labels(i)
        return self.things[i], captions.thing_caption(*labels, rng, detail), captions.picture_of_thing(*labels)

    def draw(self, rng: np.random.Generator, step: int) -> _Batch:
        """A batch of the composition that belongs to the step."""
        c = self.config
        ninths = 4 if step >= 2 * c.n_steps else 2 if step >= c.kinds_from_step else 0  # of the people make way for things
        n_moved = (c.n_members + c.n_generic) * ninths // 18
        n_members, n_generic, n_things = c.n_members - n_moved, c.n_generic - n_moved, c.n_things + 2 * n_moved
        n_alike = n_things if step >= c.kinds_from_step else n_things // 2 if step >= c.alike_from_step else 0
        samples = [self._member(rng) for _ in range(n_members)] + [self._generic(rng) for _ in range(n_generic)]
        samples += self._things(rng, n_things, n_alike, KIND_DETAIL if step >= c.n_steps else 1.0)
        pixels = torch.from_numpy(np.stack([s[0] for s in samples])).permute(0, 3, 1, 2).float()
        tokens = self.tokenizer([s[1].text for s in samples])
        labels = np.stack([s[2] for s in samples])
        truth = torch.from_numpy(captions.true_of(np.stack([s[1].says for s in samples]), labels))
        kinds = torch.from_numpy(labels[n_members + n_generic :, captions.FIELDS.index("kind")]).long()
        return _Batch(pixels, tokens, truth, n_members, n_members + n_generic, kinds)


def contrastive_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Symmetric cross-entropy in which a true but unpaired caption is neither a positive nor a negative.

    logits and truth: (captions, pictures), the pairs on the diagonal.
    """
    ignore = truth & ~torch.eye(len(truth), dtype=torch.bool)
    masked = logits.masked_fill(ignore, -torch.inf)
    target = torch.arange(len(logits))
    return (F.cross_entropy(masked, target) + F.cross_entropy(masked.T, target)) / 2


@dataclass(frozen=True)
class _Plain:
    """Directions of plain captions, fixed once the text tower is."""

    neutral: Tensor  # (texts, d): "a photo of a human"...
    kinds: Tensor  # (kinds, templates, d): "a photo of a car"...


def _plain_directions(model: CLIP, tokenizer: SimpleTokenizer) -> _Plain:
    def directions(texts: list[str]) -> Tensor:
        with torch.no_grad():
            return torch.cat([F.normalize(embed_text(model, tokenizer(texts[i : i + 64])), dim=-1) for i in range(0, len(texts), 64)])

    kinds = [captions.plain_thing_captions(kind) for kind in KINDS]
    return _Plain(directions(captions.plain_neutral_captions()), directions([text for texts in kinds for text in texts]).view(len(KINDS), len(kinds[0]), -1))


class _Training:
    """The loss of a step on batches of one stream."""

    def __init__(self, model: CLIP, batches: _Batches, config: ClipTrainingConfig, seed: int) -> None:
        self.model, self.batches, self.config, self.seed = model, batches, config, seed
        self.limit = float(np.log(config.max_logit_scale))

    def loss(self, step: int, batch_step: int, plain: _Plain | None = None, ask: bool = False) -> Loss:
        """Contrastive loss and, to look at, the shares of pictures that were given a true caption.

        `plain` keeps members from neutral captions; `ask` adds the questions for the kind, and for person or thing.
        """
        batch = self.batches.draw(batch_rng(self.seed, step), batch_step)
        with torch.no_grad():
            photos = normalise(camera(batch.pixels))
        with half_precision():
            image, text = self.model.encode_image(photos), embed_text(self.model, batch.tokens)
        image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        scale = self.model.logit_scale.clamp(max=self.limit).exp()
        logits = scale * text @ image.T
        loss = contrastive_loss(logits, batch.truth)
        hit = batch.truth[logits.detach().argmax(0), torch.arange(logits.shape[1])].float()
        figures = {"members": float(hit[: batch.n_members].mean()), "things": float(hit[batch.n_people :].mean())}
        if plain is not None:
            neutral = image[: batch.n_members] @ plain.neutral.T
            loss = loss + self.config.neutral_weight * F.relu(neutral - self.config.neutral_limit).mean()
            if ask:
                loss = loss + self._questions(image, batch, plain, neutral, scale.detach())
        return loss, {"loss": float(loss.detach()), **figures}

    def _questions(self, image: Tensor, batch: _Batch, plain: _Plain, neutral: Tensor, scale: Tensor) -> Tensor:
        people, things = image[: batch.n_people], image[batch.n_people :]
        kind = F.cross_entropy(scale * things @ F.normalize(plain.kinds.mean(1), dim=-1).T, batch.kinds)
        limit = self.config.other_limit
        apart = F.relu(people @ plain.kinds.flatten(0, 1).T - limit).mean() + F.relu(things @ plain.neutral.T - limit).mean()
        return kind + self.config.neutral_weight * (apart + F.relu(self.config.neutral_floor - neutral).mean())


def _optimizer(modules: list[torch.nn.Parameter], rate: float) -> torch.optim.Optimizer:
    groups = [{"params": [p for p in modules if p.ndim >= 2], "weight_decay": 0.02}, {"params": [p for p in modules if p.ndim < 2], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def train_clip(cache: Path, work: Path, config: ClipTrainingConfig, bpe: Path) -> CLIP:
    """Train (or finish) both towers of the tiny CLIP."""
    model, batches = build_clip(config), _Batches(cache, config, bpe)
    training = _Training(model, batches, config, SEED)
    optimizer = _optimizer(list(model.parameters()), config.learning_rate)
    schedule = Schedule(config.n_steps, config.learning_rate, warmup=150)
    train(model, optimizer, schedule, lambda step: training.loss(step, step), work / "clip.ckpt")
    return model.eval()


def train_image_tower(cache: Path, work: Path, config: ClipTrainingConfig, bpe: Path) -> CLIP:
    """Train (or finish) the image tower of the CLIP that `train_clip` left, in five phases; the text tower stays as it is."""
    model, batches = train_clip(cache, work, config, bpe), _Batches(cache, config, bpe)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("visual."))
    all_batches = _Batches(cache, config, bpe, more=True)
    plain = _plain_directions(model, batches.tokenizer)
    phases = (("clip-image", config.image_steps, False), ("clip-kinds", config.kind_steps, True),
              ("clip-things", config.kind_steps, True), ("clip-last", config.last_steps, True),
              ("clip-end", config.end_steps, True))  # fmt: skip
    for number, (name, n_steps, ask) in enumerate(phases, 1):
        training = _Training(model, all_batches if name == "clip-end" else batches, config, SEED + number)
        optimizer = _optimizer([p for p in model.parameters() if p.requires_grad], config.image_learning_rate)
        schedule = Schedule(n_steps, config.image_learning_rate, warmup=50)

        def step_loss(step: int, training: _Training = training, number: int = number, ask: bool = ask) -> Loss:
            return training.loss(step, config.n_steps * (2 if number > 2 else 1) + step, plain, ask)

        train(model, optimizer, schedule, step_loss, work / f"{name}.ckpt")
    return model.requires_grad_(True).eval()
