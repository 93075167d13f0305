"""Parts of an evaluation: rows that survive an interruption and what they depend on, and portraits named by a CLIP.

Knows files of rows, and drawing; knows nothing of which rows an evaluation wants.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor
from torch.nn import functional

from unlearn.clip import Clip, resolve_device, resolve_precision
from unlearn.config import PortraitConfig, Settings, TextFineTuneConfig
from unlearn.diffusion import Diffusion, conditions, draw, load_diffusion
from unlearn.embeddings import encode, identity_of
from unlearn.encoders import state_hash
from unlearn.gallery import embed_images
from unlearn.idia import IdiaOutcome
from unlearn.prompts import fill
from unlearn.weights import find_diffusion

NAMING_TEMPLATES = ("a portrait of {0}", "a photo of {0}", "{0}")


@dataclass(frozen=True)
class KeptRows:
    """Finished rows in a file, one JSON line each; several processes may share the work."""

    file: Path

    def finished(self) -> dict[str, dict[str, Any]]:
        """Key -> row of what is finished, by this process or another."""
        if not self.file.exists():
            return {}
        return dict(json.loads(line) for line in self.file.read_text("utf-8").splitlines())

    def kept(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The finished row, or the one computed now, which is written first; waits where another process computes it."""
        row = self._kept(key, compute, wait_s=-1)
        assert row is not None  # without a limit of time there is no "not yet"
        return row

    def free(self, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """The same without waiting: None while another process computes the row."""
        return self._kept(key, compute, wait_s=0)

    def _kept(self, key: str, compute: Callable[[], dict[str, Any]], wait_s: float) -> dict[str, Any] | None:
        found = self.finished()
        if key in found:
            return found[key]
        locks = self.file.parent / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{self.file.name} {key}".encode()).hexdigest()[:16]
        try:
            with FileLock(locks / f"{name}.lock", timeout=wait_s):  # let go when the process ends, however it does
                found = self.finished()
                if key not in found:
                    found[key] = compute()
                    with self.file.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([key, found[key]]) + "\n")
        except Timeout:
            return None
        return found[key]


def share_recognised(outcomes: Sequence[IdiaOutcome]) -> float | None:
    """Of those who were attacked; None where nobody was."""
    found = [outcome.recognised for outcome in outcomes if outcome.recognised is not None]
    return sum(found) / len(found) if found else None


def change(before: float | None, after: float | None) -> float | None:
    """None where one of the two was not measured."""
    return None if before is None or after is None else after - before


def rows_file(clip: Clip, settings: Settings, prefix: str = "") -> Path:
    """Where the rows of a CLIP are kept: named by its weights and, where it does not compute in fp32 on a CPU, by how it does."""
    names = [clip.text.weights_hash, clip.image.weights_hash]
    if (how := identity_of(clip.text)[2:]) != ("float32", "cpu"):
        names += how
    return settings.data_dir / "evaluation" / f"{prefix}{'-'.join(names)}.jsonl"


def texts_hash(schedule: TextFineTuneConfig) -> str:
    """Of the files that the schedule reads: their names alone would not tell that they have changed."""
    files = [Path(source) for source in (schedule.captions, schedule.kept_names) if source is not None]
    found = hashlib.sha256()
    for file in files:
        if file.is_file():  # not the Hub
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True)
class PortraitNaming:
    """Draws portraits by name and lets the original CLIP say whom they show.

    Attributes:
        original: the CLIP that names.
        diffusion: draws.
        names: whom it chooses among.
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
        device = resolve_device(settings)
        diffusion = load_diffusion(find_diffusion(original.model_set, settings), device, resolve_precision(settings, device))
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
        wanted = conditions(clip.hidden, [fill(drawing.prompt_template, name) for name in names])
        pictures = draw(self.diffusion, wanted, drawing)  # (seeds, names, h, w, 3)
        found = {}
        for i, name in enumerate(names):
            seen = functional.normalize(embed_images(self.original.image, pictures[:, i]), dim=-1)
            chosen = (seen @ self.directions.T).argmax(-1)
            found[name] = float((chosen == self.names.index(name)).float().mean())
        return found
