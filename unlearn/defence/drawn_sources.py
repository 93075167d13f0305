"""Pictures for the defence of faces that the set's own Stable Diffusion draws: everyday pictures of captions, faces of unknown names.

They are nobody's. They are drawn in groups, each kept on disk, so that a run that is cancelled leaves what it drew to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unlearn.config import PortraitConfig, ResolvedConfig
from unlearn.defence.stand_ins import strangers_names
from unlearn.models.drawings import kept_drawings
from unlearn.models.suite import Suite
from unlearn.progress import Report, part_of
from unlearn.texts.captions import generate_captions
from unlearn.texts.prompts import fill

SOURCE = "drawn by the set's own Stable Diffusion"
GROUP = 16  # pictures that are drawn and kept together; one call of Stable Diffusion 1.4 on a GPU
FIRST_SEED = 60_000  # of the noise; far from those that a run shows
CAPTION_SEED, NAME_SEED = 60_000, 61_000  # equal for all runs, so that all use the same pictures
N_DRAWN_EACH = 4  # names drawn for each that is used; about half of them are unknown enough


def drawn_captions(suite: Suite, config: ResolvedConfig, report: Report) -> Tensor:
    """Everyday pictures of generated captions, each with noise of its group: uint8 (n, 3, side, side)."""
    captions = generate_captions(config.image.n_drawn_images, CAPTION_SEED)
    return _groups(suite, captions, drawing_of(config), report)


def drawn_faces(suite: Suite, config: ResolvedConfig, report: Report) -> Tensor:
    """A portrait of each of so many names that the original does not know: uint8 (n, 3, side, side)."""
    names = nobodies(suite, config, config.image.n_drawn_faces, NAME_SEED)
    return _groups(suite, [fill(config.portraits.prompt_template, name) for name in names], drawing_of(config), report)


def drawn_people(suite: Suite, config: ResolvedConfig, n_people: int, seeds: Sequence[int], report: Report) -> Tensor:
    """Several portraits of each of so many names that the original does not know: uint8 (people, seeds, 3, side, side)."""
    names = nobodies(suite, config, n_people, NAME_SEED + 1)
    size = max(1, GROUP // len(seeds))
    groups = [names[start : start + size] for start in range(0, len(names), size)]
    drawing, parts = replace(drawing_of(config), seeds=tuple(seeds)), []
    for number, group in enumerate(groups):
        prompts = [fill(drawing.prompt_template, name) for name in group]
        parts.append(kept_drawings(suite, prompts, drawing, part_of(report, number, len(groups))).transpose(0, 1))
    return torch.cat(parts)


def drawing_of(config: ResolvedConfig) -> PortraitConfig:
    """How these pictures are drawn: as a run's portraits, in fewer steps."""
    return replace(config.portraits, n_steps=min(config.portraits.n_steps, config.image.drawn_steps))


def nobodies(suite: Suite, config: ResolvedConfig, n_names: int, seed: int) -> list[str]:
    """Names that the original does not know and that the run does not use; as far as it uses none, the same for every run."""
    return strangers_names(suite.clip, n_names, N_DRAWN_EACH * (n_names + GROUP), seed, config.names_in_use)


def _groups(suite: Suite, prompts: Sequence[str], drawing: PortraitConfig, report: Report) -> Tensor:
    """A picture of each prompt: uint8 (prompts, 3, side, side)."""
    groups = [prompts[start : start + GROUP] for start in range(0, len(prompts), GROUP)]
    parts = [
        kept_drawings(suite, group, replace(drawing, seeds=(FIRST_SEED + number,)), part_of(report, number, len(groups)))[0]
        for number, group in enumerate(groups)
    ]
    return torch.cat(parts)
