"""Portraits that are drawn by name, and whom the original CLIP takes them for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional

from unlearn.config import PortraitConfig, Settings
from unlearn.models.clip import Clip
from unlearn.models.diffusion import Diffusion, conditions, draw
from unlearn.models.embeddings import encode
from unlearn.models.frozen import state_hash
from unlearn.models.images import embed_images
from unlearn.models.suite import suite_of
from unlearn.texts.prompts import fill

NAMING_TEMPLATES = ("a portrait of {0}", "a photo of {0}", "{0}")


@dataclass(frozen=True)
class PortraitNaming:
    """Draws portraits by name and classifies whom they show with the original CLIP.

    Attributes:
        original: the CLIP that classifies.
        diffusion: the model that draws.
        names: the classes.
        directions: (names, d), of unit length.
    """

    original: Clip
    diffusion: Diffusion
    names: tuple[str, ...]
    directions: Tensor

    @classmethod
    def of(cls, original: Clip, names: Sequence[str], settings: Settings) -> PortraitNaming | None:
        """None for a set without a diffusion model."""
        if original.model_set.diffusion is None:
            return None
        diffusion = suite_of(original.model_set.name, settings).diffusion()
        texts = [fill(template, name) for template in NAMING_TEMPLATES for name in names]
        rows = functional.normalize(encode(original.text, texts), dim=-1).view(len(NAMING_TEMPLATES), len(names), -1)
        return cls(original, diffusion, tuple(names), functional.normalize(rows.mean(0), dim=-1))

    def drawing_hash(self, seeds: Sequence[int]) -> str:
        """Of all that the pictures depend on besides the text encoder: weights, scheduler, settings and noise."""
        parts = (state_hash(self.diffusion.unet), state_hash(self.diffusion.vae), self.diffusion.scheduler_config, self._settings(seeds))
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _settings(self, seeds: Sequence[int]) -> PortraitConfig:
        return replace(self.original.model_set.portraits, seeds=tuple(seeds))

    def shares(self, clip: Clip, names: Sequence[str], seeds: Sequence[int]) -> dict[str, float] | None:
        """Name -> share of the portraits drawn by `clip`, one a seed, that the original names so; None: nothing to draw."""
        if clip.hidden is None or not names:
            return None
        drawing = self._settings(seeds)
        prompts = conditions(clip.hidden, [fill(drawing.prompt_template, name) for name in names])
        pictures = draw(self.diffusion, prompts, drawing)  # (seeds, names, h, w, 3)
        shares = {}
        for i, name in enumerate(names):
            embeddings = functional.normalize(embed_images(self.original.image, pictures[:, i]), dim=-1)
            predicted = (embeddings @ self.directions.T).argmax(-1)
            shares[name] = float((predicted == self.names.index(name)).float().mean())
        return shares
