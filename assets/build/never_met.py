"""Stage "never-met": a second CLIP, trained by the same recipe without four of the members, as the yardstick of their forgetting.

Their photos, names and aliases are never drawn; tokenizer, architecture and seed are those of the shipped CLIP.
What the two models make of these four shows what "never met" means: a defence that forgets them well is not told from it. The four
are the members with example photos: two men and two women, two with an alias and two without; one of them is the person of the
prepared run. Random names of anonymous people are pairs of common names, which no member's name is.

The shipped weights saw fewer steps than the CLIP that they stand beside, and batches with fewer things, because time was short:
`STEPS` says how many. Names and faces do not suffer (the 44 others are recognised in every prompt); kinds of things do (37 % right
at the first guess instead of 96 %). The training was continued once from its checkpoint at step 400.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from open_clip import CLIP

from .clip import ClipTrainingConfig, train_image_tower

LEFT_OUT = (1, 5, 8, 28)  # numbers of members, as in world.json
STEPS: dict[str, Any] = {
    "n_steps": 700, "alike_from_step": 300, "kinds_from_step": 600, "n_things": 44,
    "image_steps": 300, "kind_steps": 200, "last_steps": 150, "end_steps": 50,
}  # fmt: skip


def never_met_config(config: ClipTrainingConfig, steps: dict[str, Any]) -> ClipTrainingConfig:
    """The recipe of the shipped CLIP with other steps and without the four."""
    return replace(config, **steps, left_out=LEFT_OUT)


def train_never_met(cache: Path, work: Path, config: ClipTrainingConfig, bpe: Path) -> CLIP:
    """Train (or finish) both towers; the checkpoints lie beside those of the shipped CLIP."""
    folder = work / "never-met"
    folder.mkdir(parents=True, exist_ok=True)
    return train_image_tower(cache, folder, config, bpe)
